//! Bounds on unauthenticated peers: the rate of the packets that make us work before anything is proven.

#[cfg(test)]
mod tests;

use crate::server::bucket::LONGEST_RETRY;
use crate::time::{Duration, Instant};

/// How much of one kind may happen: in no second more than its rate, a tenth of it at once. The rest
/// of the registry's limits are about peers; this one bounds what all of them together may cost.
pub(crate) struct Budget {
    /// The time in which one token comes back.
    interval: Duration,
    /// What may be taken at once, as time.
    burst: Duration,
    /// When all tokens are back.
    full_at: Instant,
    /// The last moment a refused client was told to come back at.
    told: Instant,
}

impl Budget {
    /// `rate` is at least 1 (see `ServerConfig::validate`).
    pub(crate) fn new(rate: u32) -> Budget {
        let at_once = rate.div_ceil(10).max(1);
        // What is there at once and what comes back within a second are `rate` together.
        let interval = Duration::from_secs(1) / rate.saturating_sub(at_once).saturating_add(1).max(1);
        Budget {
            // A remainder lost in the division must not let in one more.
            interval: interval.saturating_add(Duration::from_nanos(1)),
            burst: interval.saturating_add(Duration::from_nanos(1)).saturating_mul(at_once),
            full_at: Instant::ZERO,
            told: Instant::ZERO,
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The budget is spent; come back after this long. Each refused client is told a moment of its
    /// own, at the rate they can be served, so that they do not all come back at once.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.interval;
        match self.missing(now) {
            None => {
                self.full_at = full_at;
                Ok(())
            }
            Some(token_in) => {
                let told = (self.told + self.interval).max(now + token_in).min(now + LONGEST_RETRY);
                self.told = told;
                Err(told.saturating_since(now))
            }
        }
    }

    /// When there is a token again; `None`: there is one.
    pub(crate) fn missing(&self, now: Instant) -> Option<Duration> {
        let full_at = self.full_at.max(now) + self.interval;
        let ahead = full_at.saturating_since(now);
        (ahead > self.burst).then(|| ahead.saturating_sub(self.burst))
    }
}
