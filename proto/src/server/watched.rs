//! Time that was seen to pass.

use crate::time::{Duration, Instant};

/// How often somebody looks while time counts.
const LOOK: Duration = Duration::from_secs(10);

/// A clock that counts only what passes under somebody's eyes: what lies between two looks that are far apart may be a
/// clock that jumped, and no time at the peers. A jump that is shorter than [`LONGEST`](WatchedClock::LONGEST) counts.
#[derive(Debug)]
pub(crate) struct WatchedClock {
    /// The host's time of the last look.
    seen: Instant,
    pub(crate) time: Instant,
}

impl WatchedClock {
    /// The longest interval that counts.
    pub(crate) const LONGEST: Duration = Duration::from_secs(11);

    pub(crate) fn new(now: Instant) -> WatchedClock {
        WatchedClock { seen: now, time: now }
    }

    /// Looks; returns the time.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.time = self.at(now);
        self.seen = self.seen.max(now);
        self.time
    }

    /// What it would show at `now`.
    pub(crate) fn at(&self, now: Instant) -> Instant {
        match now.saturating_since(self.seen) {
            jump if jump > WatchedClock::LONGEST => self.time,
            passed => self.time + passed,
        }
    }

    /// When to look next, by the host's time, so that it shows `until` in time.
    pub(crate) fn next_look(&self, until: Instant) -> Instant {
        self.seen + until.saturating_since(self.time).min(LOOK)
    }
}
