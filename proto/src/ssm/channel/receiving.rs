//! What came.

use bytes::Bytes;

use super::receiver::{Arrival, Arrived, Payload};
use super::sealing::is_sealed;
use super::state::Channel;
use crate::id::Epoch;
use crate::ssm::body::{Acknowledge, ChannelClosed};
use crate::ssm::event::Defect;
use crate::ssm::event::Event;
use crate::ssm::frame::{Frame, Header};
use crate::ssm::message::Message;
use crate::ssm::{MessageType, PayloadType, text};
use crate::time::{Duration, Instant};

/// The service often says that sending has to pause, and never that it may go on.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a message asks of the session as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The service closed the channel, and says this.
    Closed(ChannelClosed),
    /// The peer began again.
    Restarted,
}

impl Channel {
    /// A message came. What it means for the session as a whole, if anything; sequenced frames wait in
    /// [`next_payload`](Self::next_payload).
    pub(crate) fn handle_input(&mut self, now: Instant, epoch: Epoch, message: Message) -> Option<Word> {
        let waiting = !self.sender.is_empty();
        let link = self.link.as_mut().filter(|link| link.epoch == epoch)?;
        if self.is_over {
            return None;
        }
        link.liveness.on_input(now, waiting);
        match message {
            Message::Binary(bytes) => self.handle_frame(now, bytes),
            Message::Text(text) => match text::control_word(&text) {
                Some(MessageType::ChannelClosed) => Some(Word::Closed(ChannelClosed::default())),
                Some(word) => self.handle_control(now, word),
                None => self.handle_frame(now, Bytes::from(text.into_bytes())),
            },
            Message::Ping(_) | Message::Pong(_) => None,
        }
    }

    fn handle_frame(&mut self, now: Instant, bytes: Bytes) -> Option<Word> {
        let received = match Frame::decode(bytes) {
            Ok(received) => received,
            Err(error) => {
                self.tell(Defect::Malformed(error));
                return None;
            }
        };
        let header = received.frame.header;
        if self.config.check_digest && !received.digest_matches() {
            self.tell(Defect::Digest {
                number: header.sequence_number,
            });
            return None;
        }
        let (_, theirs) = self.message_types();
        let payload = received.frame.payload;
        match header.message_type {
            kind if kind == theirs => return self.handle_sequenced(now, &header, payload),
            MessageType::Acknowledge => match Acknowledge::decode(&payload) {
                Ok(acknowledge) => self.handle_acknowledge(now, &acknowledge),
                Err(_) => self.tell(Defect::Body),
            },
            MessageType::ChannelClosed => {
                return Some(Word::Closed(ChannelClosed::decode(&payload).unwrap_or_default()));
            }
            other => return self.handle_control(now, other),
        }
        None
    }

    fn handle_control(&mut self, now: Instant, word: MessageType) -> Option<Word> {
        match word {
            MessageType::PausePublication => self.paused_until = Some(now + LONGEST_PAUSE),
            MessageType::StartPublication => self.paused_until = None,
            _ => {}
        }
        None
    }

    fn handle_acknowledge(&mut self, now: Instant, acknowledge: &Acknowledge) {
        self.paused_until = None;
        let Ok(number) = u64::try_from(acknowledge.sequence_number) else {
            return self.tell(Defect::Body);
        };
        let acked = self.sender.on_ack(now, number);
        if !acked.is_new {
            self.sender.on_sign(now, true);
        }
        if acked.inferred > 0 {
            self.tell(Defect::Silent { frames: acked.inferred });
        }
        self.tell_writable();
    }

    fn handle_sequenced(&mut self, now: Instant, header: &Header, payload: Bytes) -> Option<Word> {
        self.paused_until = None;
        let arrival = self.receiver.arrive(now, header, payload);
        self.sender.on_sign(now, arrival == Arrival::Duplicate);
        match arrival {
            Arrival::Next(arrived) => self.offer(arrived, false),
            Arrival::Reused if header.sequence_number == 0 => return Some(Word::Restarted),
            Arrival::Reused => self.tell(Defect::NumberReused {
                number: header.sequence_number,
            }),
            Arrival::Ahead | Arrival::Duplicate | Arrival::Refused => {}
        }
        None
    }

    /// It is this one's turn. One that cannot be opened does not have it: another may come with its number.
    fn offer(&mut self, arrived: Arrived, is_held: bool) {
        if self.turn.is_some() {
            return;
        }
        let payload = match self.sealing.as_ref().filter(|_| is_sealed(arrived.payload_type)) {
            None => Bytes::clone(&arrived.payload),
            Some(sealing) => match sealing.open(&arrived.payload) {
                Ok(opened) => opened,
                Err(_) => {
                    let number = i64::try_from(self.receiver.expected()).unwrap_or(i64::MAX);
                    return self.tell(Defect::Undecryptable { number });
                }
            },
        };
        let payload_type = arrived.payload_type;
        let payload = Payload {
            payload_type,
            payload,
            arrived,
        };
        self.turn = Some((payload, is_held));
    }

    /// The frame whose turn it is, until it is [taken up](Self::take_up).
    pub(crate) fn next_payload(&mut self) -> Option<(PayloadType, Bytes)> {
        if self.turn.is_none()
            && let Some(held) = self.receiver.held()
        {
            self.offer(held, true);
        }
        let (next, _) = self.turn.as_ref()?;
        Some((next.payload_type, Bytes::clone(&next.payload)))
    }

    /// The frame whose turn it was has been dealt with: it counts, and is acknowledged.
    pub(crate) fn take_up(&mut self, now: Instant) {
        if let Some((taken, is_held)) = self.turn.take() {
            self.receiver.take_up(now, &taken.arrived, is_held);
        }
    }

    pub(crate) fn tell(&mut self, defect: Defect) {
        self.push_event(Event::Defect(defect));
    }
}
