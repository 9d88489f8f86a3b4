//! No more frames a second than the way takes.

use crate::time::{Duration, Instant};

/// A bucket of as many frames as go in a second, in the form of RFC 2697's relative GCRA: the instant at which it would be full again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two frames; zero: there is no limit.
    interval: Duration,
    full_at: Instant,
}

/// How far the bucket reaches.
const BURST: Duration = Duration::from_secs(1);

impl Pace {
    /// `None`: as many as one likes.
    pub(crate) fn new(frames_per_second: Option<u32>) -> Pace {
        let interval = frames_per_second.map_or(Duration::ZERO, |frames| BURST / frames.max(1));
        Pace {
            interval,
            full_at: Instant::ZERO,
        }
    }

    /// When the next frame may go.
    pub(crate) fn next(&self) -> Instant {
        let interval = self.interval;
        let nanos = u64::try_from(BURST.saturating_sub(interval).as_nanos()).unwrap_or(u64::MAX);
        match interval.is_zero() {
            true => Instant::ZERO,
            false => Instant::from_nanos(self.full_at.as_nanos().saturating_sub(nanos)),
        }
    }

    pub(crate) fn allows(&self, now: Instant) -> bool {
        self.next() <= now
    }

    /// A frame went.
    pub(crate) fn on_sent(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_goes_at_once_and_then_one_after_the_other() {
        let (mut pace, mut now) = (Pace::new(Some(100)), Instant::from_millis(50_000));
        let mut sent = 0;
        while pace.allows(now) {
            pace.on_sent(now);
            sent += 1;
        }
        assert_eq!(sent, 100);
        assert_eq!(pace.next(), now + Duration::from_millis(10));
        for _ in 0..500 {
            now = pace.next();
            pace.on_sent(now);
        }
        assert_eq!(now, Instant::from_millis(55_000));
        let mut unlimited = Pace::new(None);
        for _ in 0..10_000 {
            assert!(unlimited.allows(now));
            unlimited.on_sent(now);
        }
    }
}
