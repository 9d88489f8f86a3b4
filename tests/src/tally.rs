//! What happened: counters by name, and a hash over everything in order.

use std::collections::BTreeMap;

use crate::rng::mix;

/// Counts of faults, edges, events, errors and endings. An untriggered fault is an untested one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<String, u64>,
}

impl Tally {
    /// One more of `name`.
    pub fn hit(&mut self, name: &str) {
        self.add(name, 1);
    }

    /// `n` more of `name`.
    pub fn add(&mut self, name: &str, n: u64) {
        match self.counts.get_mut(name) {
            Some(count) => *count += n,
            None => {
                self.counts.insert(name.to_owned(), n);
            }
        }
    }

    /// How often `name` happened.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// Adds another tally to this one.
    pub fn merge(&mut self, other: &Tally) {
        other.iter().for_each(|(name, count)| self.add(name, count));
    }
}

/// A hash over everything that crossed the machine's border, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    steps: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Trace {
            hash: 0x510e_527f_ade6_82d1,
            steps: 0,
        }
    }
}

impl Trace {
    /// Takes in a number.
    pub fn note(&mut self, n: u64) {
        self.hash = mix(self.hash ^ n).wrapping_add(n.rotate_left(17));
        self.steps += 1;
    }

    /// Takes in bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.note(hash_bytes(bytes));
    }

    /// The hash so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.hash ^ self.steps
    }
}

/// A 64-bit hash, not a cryptographic one.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let word = chunk.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    mix(hash)
}
