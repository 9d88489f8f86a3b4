//! Whether others keep a queue before the line.
//!
//! Who keeps the own queue short beside senders that fill it, as TCP does until something is lost, gets what they leave. So a
//! sender has to know of them, and then to keep so much before the line that the window of its own carrier decides (Copa, NSDI
//! 2018, calls this its competitive mode). What shows them is a round trip that is longer than before although nothing of
//! ours waits. Seen once, it may be a line that became longer; that becomes longer again and again only beside others.

use crate::time::Duration;

/// How much a line that looks longer speaks for others. One that became longer explains it once, hardly twice, and not three times.
const LONGER: u8 = 3;
/// A round trip that is somewhat longer may be chance.
const SOMEWHAT_LONGER: u8 = 1;
/// What is remembered at most: so many round trips in a row that changed nothing, less [`LONGER`], show that nobody is left.
const MOST: u8 = 3 * LONGER;

/// Who has less than so many sixteenths of the line is crowded out. With half or more there is nothing to compete for, so that
/// two senders of this kind keep each other's queue short.
const FAIR: u64 = 7;

/// What speaks for others on the line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rivals {
    evidence: u8,
    /// The highest rate ever seen on the line.
    best: u64,
}

impl Rivals {
    pub(super) fn on_rate(&mut self, rate: u64) {
        self.best = self.best.max(rate);
    }

    pub(super) fn are_likely(self) -> bool {
        self.evidence > LONGER
    }

    pub(super) fn are_certain(self) -> bool {
        self.evidence > 2 * LONGER
    }

    /// Whether others on the line leave a sender with that `rate` less than its part.
    pub(super) fn crowd_out(self, rate: u64) -> bool {
        self.are_likely() && rate < self.best / 16 * FAIR
    }

    /// The line looks longer, and nothing of ours waits.
    pub(super) fn on_longer(&mut self) {
        self.add(LONGER);
    }

    /// The least round trip was `before`, and is `rtt` now that nothing of ours waits, which is about the same or less. `unusual`: there
    /// is something else that speaks for others, so that a somewhat longer one is no mere jitter.
    pub(super) fn on_seen(&mut self, before: Duration, rtt: Duration, unusual: bool) {
        if unusual && rtt > before * 17 / 16 {
            self.add(SOMEWHAT_LONGER);
        } else if rtt > before * 15 / 16 {
            // A queue of others would have changed.
            self.evidence = self.evidence.saturating_sub(1);
        }
    }

    fn add(&mut self, evidence: u8) {
        self.evidence = (self.evidence + evidence).min(MOST);
    }
}
