//! What the peer sends us: sequenced frames in order, each acknowledged by itself.

use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::reliability::{Charged, Inbox};
use crate::ssm::frame::Header;
use crate::ssm::{PayloadType, Uuid};
use crate::time::{Duration, Instant};

/// What a frame costs beyond its payload while it is held.
const HELD: usize = 64;
/// So many acknowledgements may wait. Beyond that a frame is not acknowledged, and comes again.
const MOST_ACKS: usize = 16_384;
/// So many numbers are remembered with the ids of their frames, to notice two frames with one number.
const REMEMBERED: usize = 1_024;
/// An acknowledgement may be on its way for so long.
const RECENT: Duration = Duration::from_secs(2);

/// A frame that has its turn, or waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) payload_type: PayloadType,
    /// As it was sent: sealed, if the session is.
    pub(crate) payload: Bytes,
    id: Uuid,
}

impl Charged for Arrived {
    fn charge(&self) -> usize {
        self.payload.len() + HELD
    }
}

/// A frame whose turn it is, opened.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) payload_type: PayloadType,
    pub(crate) payload: Bytes,
    /// As it came.
    pub(crate) arrived: Arrived,
}

/// An acknowledgement that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) number: i64,
    pub(crate) id: Uuid,
    due: Instant,
}

/// What a frame was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The one whose turn it is. It counts once [`Receiver::take_up`] is called.
    Next(Arrived),
    /// It waits for others.
    Ahead,
    /// It was here before.
    Duplicate,
    /// Another frame had this number before.
    Reused,
    /// There is no room for it; it is not acknowledged.
    Refused,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    expected: u64,
    inbox: Inbox<Arrived>,
    /// The first that found no room, until it does.
    refused: Option<u64>,
    acks: VecDeque<Ack>,
    /// Those that were sent last, and when: a connection that dies may take them with it.
    said: VecDeque<(Ack, Instant)>,
    /// What was due then is due.
    looked_at: Instant,
    ack_delay: Duration,
    /// The ids of the frames before `expected`, the last of them last.
    ids: VecDeque<Uuid>,
    first_id: Option<Uuid>,
    /// Since when frames wait for the one that is expected.
    gap_since: Option<Instant>,
}

impl Receiver {
    pub(crate) fn new(limit: usize, ack_delay: Duration) -> Receiver {
        Receiver {
            expected: 0,
            inbox: Inbox::new(limit),
            refused: None,
            acks: VecDeque::new(),
            said: VecDeque::new(),
            looked_at: Instant::ZERO,
            ack_delay,
            ids: VecDeque::new(),
            first_id: None,
            gap_since: None,
        }
    }

    /// The number whose turn it is.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// Whether frames are held whose turn has not come.
    pub(crate) fn holds_any(&self) -> bool {
        self.inbox.bytes() > 0
    }

    /// A sequenced frame came.
    pub(crate) fn arrive(&mut self, now: Instant, header: &Header, payload: Bytes) -> Arrival {
        let (id, number) = (header.message_id, header.sequence_number);
        let Ok(position) = u64::try_from(number) else {
            return Arrival::Refused;
        };
        if position < self.expected {
            let is_reused = self.id_of(position).is_some_and(|known| known != id);
            // Whoever sends it waits for this, whatever became of the first.
            self.acknowledge(now, number, id);
            return if is_reused { Arrival::Reused } else { Arrival::Duplicate };
        }
        let arrived = Arrived {
            payload_type: header.payload_type,
            payload,
            id,
        };
        if position == self.expected {
            return Arrival::Next(arrived);
        }
        // What is acknowledged behind a frame that was refused would tell a peer of ours that it arrived.
        if self.refused.is_some_and(|refused| refused < position) || self.inbox.insert(position, arrived).is_err() {
            self.refused = Some(self.refused.map_or(position, |refused| refused.min(position)));
            return Arrival::Refused;
        }
        self.refused = self.refused.filter(|refused| *refused != position);
        self.gap_since.get_or_insert(now);
        self.acknowledge(now, number, id);
        Arrival::Ahead
    }

    /// The frame whose turn it was has been dealt with. The next, if it is here already, is to be dealt with as well; it was acknowledged.
    pub(crate) fn take_up(&mut self, now: Instant, arrived: &Arrived, is_held: bool) {
        if !is_held && let Ok(number) = i64::try_from(self.expected) {
            self.acknowledge(now, number, arrived.id);
        }
        self.first_id.get_or_insert(arrived.id);
        if self.ids.len() == REMEMBERED {
            self.ids.pop_front();
        }
        self.ids.push_back(arrived.id);
        self.expected += 1;
        self.refused = self.refused.filter(|refused| *refused >= self.expected);
        self.gap_since = (self.inbox.bytes() > 0).then_some(now);
    }

    /// The frame whose turn it is, if it came ahead of it.
    pub(crate) fn held(&mut self) -> Option<Arrived> {
        let held = self.inbox.take(self.expected);
        if self.inbox.bytes() == 0 {
            self.gap_since = None;
        }
        held
    }

    fn id_of(&self, position: u64) -> Option<Uuid> {
        if position == 0 {
            return self.first_id;
        }
        let oldest = self.expected - self.ids.len() as u64;
        let index = usize::try_from(position.checked_sub(oldest)?).ok()?;
        self.ids.get(index).copied()
    }

    fn acknowledge(&mut self, now: Instant, number: i64, id: Uuid) {
        if self.acks.len() < MOST_ACKS {
            let due = now + self.ack_delay;
            self.acks.push_back(Ack { number, id, due });
        }
    }

    /// An acknowledgement that is due.
    pub(crate) fn poll_ack(&mut self, now: Instant) -> Option<Ack> {
        let ack = self.acks.front().copied().filter(|ack| ack.due <= now)?;
        self.acks.pop_front();
        if self.said.len() == REMEMBERED {
            self.said.pop_front();
        }
        self.said.push_back((ack, now));
        Some(ack)
    }

    /// When the next acknowledgement is due; `None`: none waits, or one is due already.
    pub(crate) fn next_ack(&self) -> Option<Instant> {
        let next = self.acks.front().map(|ack| ack.due);
        next.filter(|due| *due > self.looked_at)
    }

    /// Whether acknowledgements wait.
    pub(crate) fn owes_acks(&self) -> bool {
        !self.acks.is_empty()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.looked_at = now;
    }

    /// Since when frames are here that wait for one that is not.
    pub(crate) fn gap_since(&self) -> Option<Instant> {
        self.gap_since
    }

    /// A connection begins. What was acknowledged shortly before the last one ended is acknowledged again: a peer that did not hear it would
    /// send each of these frames again, the real programs one at a time.
    pub(crate) fn on_attached(&mut self, now: Instant) {
        let last = self.said.back().map(|(_, at)| *at);
        let recent = self
            .said
            .drain(..)
            .filter(|(_, at)| last.is_some_and(|last| last.saturating_since(*at) <= RECENT));
        let mut acks: VecDeque<Ack> = recent.map(|(ack, _)| Ack { due: now, ..ack }).collect();
        acks.append(&mut self.acks);
        self.acks = acks;
        self.gap_since = self.gap_since.map(|_| now);
    }
}

#[cfg(test)]
mod tests;
