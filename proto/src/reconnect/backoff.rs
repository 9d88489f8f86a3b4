//! When to dial again.

use crate::time::{Duration, Instant};

/// Exponential backoff with full jitter.
///
/// The first try comes at a random moment within `first`; the k-th retry within
/// `base * 2^(k-1)`, capped. The count goes back to the start only after a connection stayed
/// attached for `stable_after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the delay before the first try after a loss. Default 100 ms.
    pub first: Duration,
    /// Upper bound of the delay before the second try; doubles from there. Default 200 ms.
    pub base: Duration,
    /// Largest upper bound. Default 30 s.
    pub cap: Duration,
    /// Tries before the session ends with [`GaveUp`](crate::event::EndReason::GaveUp); `None`: as long as the session lives.
    pub attempts: Option<u32>,
    /// How long a connection must stay attached before the count starts afresh. Default 10 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            first: Duration::from_millis(100),
            base: Duration::from_millis(200),
            cap: Duration::from_secs(30),
            attempts: None,
            stable_after: Duration::from_secs(10),
        }
    }
}

/// How many tries were made since the last stable connection, and when the next is due.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// Counts a try and returns the instant of it, or `None` when no try is left.
    /// `random` is uniform over all of `u64`.
    pub(crate) fn next(&mut self, now: Instant, policy: &Backoff, random: u64) -> Option<Instant> {
        if policy.attempts.is_some_and(|max| self.failures >= max) {
            return None;
        }
        let bound = match self.failures {
            0 => policy.first,
            n => policy
                .base
                .saturating_mul(1u32.checked_shl(n - 1).unwrap_or(u32::MAX))
                .min(policy.cap),
        };
        self.failures = self.failures.saturating_add(1);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let delay = (u128::from(random) * (u128::from(nanos) + 1)) >> 64;
        Some(now + Duration::from_nanos(u64::try_from(delay).unwrap_or(nanos)))
    }

    /// A connection stayed attached long enough.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests;
