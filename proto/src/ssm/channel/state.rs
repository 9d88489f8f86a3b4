//! The fields, and what anybody may ask.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::link::Link;
use super::queue::Queue;
use super::receiver::{Payload, Receiver};
use super::sealing::Sealing;
use super::sender::Sender;
use crate::config::Seed;
use crate::id::Side;
use crate::reconnect::{Attempt, ReconnectIntent, ReconnectStats};
use crate::rng::Rng;
use crate::ssm::body::Token;
use crate::ssm::config::ChannelConfig;
use crate::ssm::dialing::Dialing;
use crate::ssm::event::{Chunk, Event};
use crate::ssm::kms::NONCE_SIZE;
use crate::ssm::{MessageType, PayloadType, Uuid};
use crate::time::{Duration, Instant, Latest};

/// Events that come without being asked for, and so could pile up: the oldest of more than these is dropped.
const MOST_EVENTS: usize = 256;

/// Numbers of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames with a number that were sent, each counted once.
    pub sent_frames: u64,
    /// Of these, transmissions beyond the first.
    pub retransmitted_frames: u64,
    /// Frames with a number that arrived and had their turn.
    pub received_frames: u64,
    /// Frames that count as delivered although the peer never said so.
    pub inferred_frames: u64,
    /// Bytes handed over that have no number yet.
    pub queued_bytes: usize,
    /// Bytes that are not acknowledged.
    pub unacknowledged_bytes: usize,
    /// Bytes that were not read.
    pub unread_bytes: usize,
    /// Smoothed round trip between the ends, as acknowledgements show it.
    pub srtt: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) config: ChannelConfig,
    pub(super) side: Side,
    pub(crate) rng: Rng,
    pub(crate) latest: Latest,
    pub(super) started: Instant,
    /// Milliseconds since 1970 when it began.
    unix_millis: u64,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    /// A frame whose turn it is, and which was not taken; whether it was acknowledged already.
    pub(super) turn: Option<(Payload, bool)>,
    pub(super) sealing: Option<Sealing>,
    /// What the handshake says, which waits for nothing.
    pub(super) urgent: VecDeque<(PayloadType, Bytes)>,
    pub(super) queue: Queue,
    /// Data may go.
    pub(crate) is_open: bool,
    /// The service wants nothing sent until then.
    pub(super) paused_until: Option<Instant>,
    pub(super) unread: VecDeque<Chunk>,
    pub(super) unread_bytes: usize,
    pub(super) wants_readable: bool,
    pub(super) wants_writable: bool,
    pub(super) link: Option<Link>,
    pub(super) epochs: u64,
    pub(super) lost_at: Option<Instant>,
    pub(super) dialing: Dialing,
    events: VecDeque<Event>,
    pub(super) is_over: bool,
}

impl Channel {
    /// `unix_millis`: what time it is `now`, for the dates in frames.
    pub(crate) fn new(
        side: Side,
        config: ChannelConfig,
        (seed, token): (Seed, Option<Token>),
        now: Instant,
        unix_millis: u64,
    ) -> Channel {
        let dialing = Dialing::new(now, token, &config);
        let mut latest = Latest::default();
        latest.advance(now);
        Channel {
            side,
            rng: Rng::new(&seed),
            latest,
            started: now,
            unix_millis,
            sender: Sender::new(config.window, config.frames_per_second),
            receiver: Receiver::new(config.receive_buffer, config.ack_delay),
            turn: None,
            sealing: None,
            urgent: VecDeque::new(),
            queue: Queue::default(),
            is_open: false,
            paused_until: None,
            unread: VecDeque::new(),
            unread_bytes: 0,
            wants_readable: true,
            wants_writable: false,
            link: None,
            epochs: 0,
            lost_at: None,
            dialing,
            events: VecDeque::new(),
            is_over: false,
            config,
        }
    }

    /// What the frames of this end are called, and those of the other.
    pub(super) fn message_types(&self) -> (MessageType, MessageType) {
        let (input, output) = (MessageType::InputStreamData, MessageType::OutputStreamData);
        match self.side {
            Side::Client => (input, output),
            Side::Server => (output, input),
        }
    }

    /// The date for a frame that is made now.
    pub(super) fn date(&self, now: Instant) -> u64 {
        let since = now.saturating_since(self.started).as_millis();
        let date = self
            .unix_millis
            .saturating_add(u64::try_from(since).unwrap_or(u64::MAX));
        // Real programs refuse a frame without a date.
        date.max(1)
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        let mut random = [0; 16];
        self.rng.fill(&mut random);
        Uuid::v4(random)
    }

    /// A nonce that is new.
    pub(crate) fn nonce(&mut self) -> [u8; NONCE_SIZE] {
        let mut nonce = [0; NONCE_SIZE];
        self.rng.fill(&mut nonce);
        nonce
    }

    /// Payloads are sealed from now on.
    pub(crate) fn seal_with(&mut self, sealing: Sealing) {
        self.sealing = Some(sealing);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.link.is_some()
    }

    /// Whether all that was handed over has arrived.
    pub(crate) fn is_drained(&self) -> bool {
        self.sender.is_empty() && self.queue.is_empty() && self.urgent.is_empty()
    }

    /// Bytes of the application's that are not known to have arrived.
    pub(crate) fn undelivered(&self) -> usize {
        self.sender.payload_bytes() + self.queue.bytes()
    }

    /// Whether there are frames whose turn never came: behind one that is missing, or for want of room.
    pub(crate) fn has_gap(&self) -> bool {
        self.turn.is_some() || self.receiver.holds_any()
    }

    pub(crate) fn push_event(&mut self, event: Event) {
        if self.events.len() >= MOST_EVENTS {
            let unasked = |event: &Event| {
                matches!(
                    event,
                    Event::Attached { .. } | Event::Detached { .. } | Event::Reconnect(_) | Event::Defect(_)
                )
            };
            let oldest = self.events.iter().position(unasked);
            oldest.and_then(|oldest| self.events.remove(oldest));
        }
        self.events.push_back(event);
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn intent(&self) -> Option<ReconnectIntent> {
        self.dialing.intent(&self.config)
    }

    pub(crate) fn history(&self) -> Vec<Attempt> {
        self.dialing.history().copied().collect()
    }

    pub(crate) fn reconnect_stats(&self) -> ReconnectStats {
        self.dialing.stats()
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            sent_frames: self.sender.next(),
            retransmitted_frames: self.sender.retransmitted,
            received_frames: self.receiver.expected(),
            inferred_frames: self.sender.inferred,
            queued_bytes: self.queue.bytes(),
            unacknowledged_bytes: self.sender.payload_bytes(),
            unread_bytes: self.unread_bytes,
            srtt: self.sender.srtt(),
        }
    }
}
