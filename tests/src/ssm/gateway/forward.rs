//! What the service makes of a message.

use unbroken_proto::ssm::body::{Acknowledge, AgentSessionState, ChannelClosed, OpenDataChannel, SessionState};
use unbroken_proto::ssm::frame::Frame;
use unbroken_proto::ssm::{MessageType, PayloadType};
use unbroken_proto::{Duration, Instant};

use super::{End, Gateway, Pause, Socket};
use crate::ssm::peer::Message;

impl Gateway {
    /// A message has reached the service.
    pub(super) fn forward(&mut self, now: Instant, socket: Socket, message: Message) {
        if let Message::Text(text) = &message
            && let Ok(open) = OpenDataChannel::decode(text.as_bytes())
        {
            self.opened(socket, &open);
            return;
        }
        let Some(from) = self.legs.get(&socket).and_then(|leg| leg.end) else {
            return;
        };
        let Ok(received) = Frame::decode(message.bytes()) else {
            // It does not look into frames further than it must.
            self.pass(now, from, message);
            return;
        };
        let frame = received.frame;
        let number = frame.header.sequence_number;
        match frame.header.message_type {
            MessageType::AgentSessionState => self.session_state(now, &frame),
            MessageType::Acknowledge => {
                self.side(from).counts.acknowledgements += 1;
                if self.options.loses_acknowledgements == Some(from) {
                    self.side(from).counts.lost += 1;
                    return;
                }
                if from == End::Client
                    && let Ok(body) = Acknowledge::decode(&frame.payload)
                {
                    self.acknowledged_by_client.insert(body.sequence_number);
                }
                self.pass(now, from, message);
            }
            kind if kind.is_sequenced() => {
                let side = self.side(from);
                side.counts.frames += 1;
                side.counts.resends += u64::from(!side.numbers.insert(number));
                if self.is_discarded(from, &frame) || self.options.loses.remove(&(from, number)) {
                    self.side(from).counts.lost += 1;
                    return;
                }
                self.note(now, from, &frame);
                self.pass(now, from, message);
            }
            _ => self.pass(now, from, message),
        }
    }

    fn pass(&mut self, now: Instant, from: End, message: Message) {
        if !self.send(now, from.other(), message) {
            self.side(from).counts.lost += 1;
        }
    }

    /// An end says who it is. It has one connection, the latest.
    fn opened(&mut self, socket: Socket, open: &OpenDataChannel) {
        let end = if open.is_agent() { End::Agent } else { End::Client };
        if let Some(leg) = self.legs.get_mut(&socket) {
            leg.end = Some(end);
        }
        let before = self.side(end).socket.replace(socket);
        if let Some(before) = before.filter(|before| *before != socket) {
            self.kill(before);
        }
    }

    fn session_state(&mut self, now: Instant, frame: &Frame) {
        let state = AgentSessionState::decode(&frame.payload).map(|body| body.session_state);
        if state == Ok(SessionState::Terminating) {
            self.channel_closed(now, End::Client);
            self.over = true;
        }
    }

    pub(super) fn channel_closed(&mut self, now: Instant, to: End) {
        let body = ChannelClosed {
            session_id: "session".into(),
            message_type: "channel_closed".into(),
            schema_version: 1,
            ..ChannelClosed::default()
        };
        let kind = MessageType::ChannelClosed;
        let message = self.framer.control(now, kind, |out| body.encode(out));
        self.send(now, to, message);
    }

    /// Sends a frame without a body.
    pub(super) fn tell(&mut self, now: Instant, to: End, kind: MessageType) {
        let message = self.framer.control(now, kind, |_| ());
        self.send(now, to, message);
    }

    /// Whether this is data that came too early.
    fn is_discarded(&self, from: End, frame: &Frame) -> bool {
        let handshake = matches!(
            frame.header.payload_type,
            PayloadType::HandshakeResponse | PayloadType::EncChallengeResponse
        );
        self.options.discards_early_data && !self.started && from == End::Client && !handshake
    }

    /// What a sequenced frame of the agent tells the service.
    fn note(&mut self, now: Instant, from: End, frame: &Frame) {
        if from == End::Client {
            return;
        }
        self.started |= matches!(
            frame.header.payload_type,
            PayloadType::HandshakeComplete | PayloadType::Output
        );
        let number = frame.header.sequence_number;
        if self.options.acknowledges_for_client && self.acknowledged_by_client.contains(&number) {
            let acknowledge = self.framer.acknowledge(now, &frame.header);
            self.send(now, End::Agent, acknowledge);
        }
        if let Some(pause) = self.options.pause {
            self.measure(now, pause);
        }
    }

    /// Counts a frame against what the service bears.
    fn measure(&mut self, now: Instant, pause: Pause) {
        let (since, count) = &mut self.second;
        if now.saturating_since(*since) >= Duration::from_secs(1) {
            self.busy_seconds = if *count > pause.per_second {
                self.busy_seconds + 1
            } else {
                0
            };
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if self.busy_seconds >= pause.seconds {
            self.busy_seconds = 0;
            self.pauses += 1;
            self.tell(now, End::Agent, MessageType::PausePublication);
            self.start_at = self.rng.chance(pause.starts).then(|| now + pause.after);
        }
    }
}
