//! One direction of a line: a queue before a link, and the way behind it.

use std::collections::VecDeque;

use super::SECOND;

/// Payload bytes of a full segment.
pub const SEGMENT: u64 = 1_448;
/// What each segment takes of the line beyond its payload.
pub const HEADER: u64 = 52;

/// A segment on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Whose.
    pub(super) flow: usize,
    pub(super) payload: u64,
    /// When it began to wait before the link.
    pub(super) since: u64,
    /// When TCP sent it.
    pub(super) sent: u64,
}

#[derive(Debug)]
pub(super) struct Line {
    /// Bits a second.
    pub(super) rate: u64,
    /// From the end of the link to the receiver.
    pub(super) delay: u64,
    /// Bytes that the queue holds, headers included.
    pub(super) capacity: u64,
    queue: VecDeque<Segment>,
    queued: u64,
    /// What the link is busy with.
    sending: Option<Segment>,
    last_arrival: u64,
}

impl Line {
    pub(super) fn new(rate: u64, delay: u64, capacity: u64) -> Line {
        Line {
            rate,
            delay,
            capacity: capacity.max(2 * (SEGMENT + HEADER)),
            queue: VecDeque::new(),
            queued: 0,
            sending: None,
            last_arrival: 0,
        }
    }

    /// Whether a full segment finds room.
    pub(super) fn has_room(&self) -> bool {
        self.queued + SEGMENT + HEADER <= self.capacity
    }

    pub(super) fn push(&mut self, segment: Segment) {
        self.queued += segment.payload + HEADER;
        self.queue.push_back(segment);
    }

    /// Begins with the next segment if the link is free. Returns it, and when the link is done with it.
    pub(super) fn begin(&mut self, now: u64) -> Option<(Segment, u64)> {
        if self.sending.is_some() {
            return None;
        }
        let segment = self.queue.pop_front()?;
        self.queued -= segment.payload + HEADER;
        self.sending = Some(segment);
        Some((segment, now + takes(segment.payload + HEADER, self.rate)))
    }

    /// The link is done with its segment. Returns it, and when it arrives.
    pub(super) fn finish(&mut self, now: u64) -> Option<(Segment, u64)> {
        let segment = self.sending.take()?;
        // A line that became shorter overtakes nothing.
        self.last_arrival = self.last_arrival.max(now + self.delay);
        Some((segment, self.last_arrival))
    }
}

/// How long a link of `rate` bits a second takes for `bytes`.
pub(super) fn takes(bytes: u64, rate: u64) -> u64 {
    let nanos = u128::from(bytes) * 8 * u128::from(SECOND) / u128::from(rate);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// What a link of `rate` bits a second carries of payload in that time, in full segments.
pub(super) fn share(rate: u64, time: u64) -> u64 {
    let bytes = u128::from(rate) * u128::from(time) / (8 * u128::from(SECOND));
    u64::try_from(bytes * u128::from(SEGMENT) / u128::from(SEGMENT + HEADER)).unwrap_or(u64::MAX)
}
