//! When each byte leaves the bottleneck of a line.

use std::time::{Duration, Instant};

use super::Line;

/// A packet of Ethernet: nothing is paced finer.
const PACKET: usize = 1_500;
/// What is read at once where nothing is paced.
const UNPACED: usize = 128 << 10;

/// The bottleneck of one direction. It holds no bytes; it only says when they would have left.
#[derive(Debug)]
pub(super) struct Pace {
    line: Line,
    /// When the last byte so far leaves.
    free: Option<Instant>,
}

impl Pace {
    pub(super) fn new(line: Line) -> Pace {
        Pace { line, free: None }
    }

    /// How much to read at once: half a millisecond of the line, one packet at least.
    pub(super) fn chunk(&self) -> usize {
        self.line.rate.map_or(UNPACED, |rate| {
            usize::try_from(rate.get() / 8 / 2_000)
                .unwrap_or(UNPACED)
                .clamp(PACKET, UNPACED)
        })
    }

    /// What the relay may hold at most: what waits, and what is on the way.
    pub(super) fn most_held(&self) -> usize {
        let way = self.line.rate.map_or(0, |rate| {
            usize::try_from(u128::from(rate.get() / 8) * (self.line.rtt / 2).as_millis() / 1_000).unwrap_or(usize::MAX)
        });
        self.line.buffer.saturating_add(way).saturating_add(self.chunk())
    }

    /// How long `bytes` take.
    fn time(&self, bytes: usize) -> Duration {
        self.line.rate.map_or(Duration::ZERO, |rate| {
            let nanos = bytes as u128 * 8 * 1_000_000_000 / u128::from(rate.get());
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        })
    }

    /// When so much of what waits has left that another chunk fits into the buffer; `None`: it does already.
    pub(super) fn room_at(&self) -> Option<Instant> {
        let free = self.free?;
        self.line.rate?;
        let others = self.line.buffer.saturating_sub(self.chunk());
        free.checked_sub(self.time(others))
    }

    /// When the last of `bytes` arrives at the other side, if they come to the bottleneck at `now`.
    pub(super) fn arrival(&mut self, now: Instant, bytes: usize) -> Instant {
        let begin = self.free.map_or(now, |free| free.max(now));
        let free = begin + self.time(bytes);
        self.free = Some(free);
        free + self.line.rtt / 2
    }
}
