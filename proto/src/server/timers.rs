//! Deadlines of many sessions, for a host that drives them from one loop.

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// The deadlines of many things, by the host's own keys: what is due is found without a look at the
/// rest. One tick costs what is due, times the logarithm of what there is.
///
/// ```
/// use unbroken_proto::server::Timers;
/// use unbroken_proto::Instant;
/// let mut timers = Timers::new();
/// timers.set("a", Some(Instant::from_millis(20)));
/// timers.set("b", Some(Instant::from_millis(10)));
/// timers.set("b", Some(Instant::from_millis(30))); // whatever Session::poll_timeout says after each call
/// assert_eq!(timers.next(), Some(Instant::from_millis(20)));
/// assert_eq!(timers.pop_due(Instant::from_millis(25)), Some("a"));
/// assert_eq!(timers.pop_due(Instant::from_millis(25)), None);
/// ```
#[derive(Clone, Debug)]
pub struct Timers<K> {
    at: BTreeMap<K, Instant>,
    in_order: BTreeSet<(Instant, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Timers<K> {
        Timers {
            at: BTreeMap::new(),
            in_order: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// None yet.
    #[must_use]
    pub fn new() -> Timers<K> {
        Timers::default()
    }

    /// From now on this is the deadline of `key`; `None`: it has none. Bounded by the keys in use.
    pub fn set(&mut self, key: K, deadline: Option<Instant>) {
        let known = match deadline {
            Some(at) => self.at.insert(key, at),
            None => self.at.remove(&key),
        };
        if known == deadline {
            return;
        }
        if let Some(known) = known {
            self.in_order.remove(&(known, key));
        }
        if let Some(at) = deadline {
            self.in_order.insert((at, key));
        }
    }

    /// The deadline of `key`, if it has one.
    #[must_use]
    pub fn get(&self, key: K) -> Option<Instant> {
        self.at.get(&key).copied()
    }

    /// When the next one is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Takes out one that is due, the most overdue first. Its new deadline is to be [`set`](Self::set)
    /// once its owner has handled this one.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.in_order.first()?;
        if at > now {
            return None;
        }
        self.in_order.pop_first();
        self.at.remove(&key);
        Some(key)
    }

    /// How many have a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }
}
