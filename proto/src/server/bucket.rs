//! Token buckets, one a key, bounded in number.

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};

use crate::config::Rate;
use crate::time::{Duration, Instant};

/// The longest time that a client is told to wait.
pub(crate) const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// A bucket for each key that was seen lately. A full bucket is forgotten, since it is like one that
/// never was; when there are too many, the one nearest to full goes, as the fewest refusals are forgotten with it.
pub(crate) struct Buckets<K> {
    rate: Option<Rate>,
    limit: usize,
    /// When the bucket is full again.
    full_at: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Clone> Buckets<K> {
    pub(crate) fn new(rate: Option<Rate>, limit: usize) -> Buckets<K> {
        Buckets {
            rate,
            limit,
            full_at: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none; come back after this long. A refusal costs no token.
    pub(crate) fn take(&mut self, now: Instant, key: &K) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let interval = rate.interval();
        let known = self.full_at.get(key).copied();
        let full_at = known.map_or(now, |at| at.max(now)) + interval;
        let ahead = full_at.saturating_since(now);
        let most = interval.saturating_mul(rate.burst);
        if ahead > most {
            return Err(ahead.saturating_sub(most).min(LONGEST_RETRY));
        }
        if let Some(known) = known {
            self.by_time.remove(&(known, key.clone()));
        }
        self.full_at.insert(key.clone(), full_at);
        self.by_time.insert((full_at, key.clone()));
        self.tidy(now);
        Ok(())
    }

    /// Forgets what is full, at most two each time, and what there is no room for.
    fn tidy(&mut self, now: Instant) {
        for _ in 0..2 {
            let over = self.full_at.len() > self.limit;
            let goes = self.by_time.first().is_some_and(|(full_at, _)| over || *full_at <= now);
            if goes && let Some((_, key)) = self.by_time.pop_first() {
                self.full_at.remove(&key);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.full_at.len()
    }
}
