//! The machine's random generator: everything it ever draws comes from the host's seed.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroize;

use crate::config::Seed;

/// Bytes drawn from one key: two ChaCha20 blocks, of which the first 32 bytes are the next key.
const POOL: usize = 128;
const KEY: usize = 32;

/// ChaCha20 with fast key erasure: each refill replaces its own key, and what was handed out is
/// wiped, so a later look into memory tells nothing about earlier draws.
///
/// The same seed gives the same bytes for the same sequence of calls.
pub(crate) struct Rng {
    pool: [u8; POOL],
    used: usize,
}

impl Rng {
    /// A generator that starts at `seed`.
    pub(crate) fn new(seed: &Seed) -> Rng {
        Rng::from_key(&seed.0)
    }

    fn from_key(key: &[u8; KEY]) -> Rng {
        let mut rng = Rng {
            pool: [0; POOL],
            used: POOL,
        };
        rng.pool[..KEY].copy_from_slice(key);
        rng
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Fills all of `out`.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        let mut rest = out;
        while !rest.is_empty() {
            if self.used == POOL {
                self.refill();
            }
            let take = rest.len().min(POOL - self.used);
            let (now, later) = rest.split_at_mut(take);
            let drawn = &mut self.pool[self.used..self.used + take];
            now.copy_from_slice(drawn);
            drawn.zeroize();
            self.used += take;
            rest = later;
        }
    }

    /// A generator with a fresh seed of its own; neither tells anything about the other.
    pub(crate) fn fork(&mut self) -> Rng {
        let mut key = [0; KEY];
        self.fill(&mut key);
        let fork = Rng::from_key(&key);
        key.zeroize();
        fork
    }

    fn refill(&mut self) {
        let mut key = [0; KEY];
        key.copy_from_slice(&self.pool[..KEY]);
        self.pool.zeroize();
        // A key is used for one refill only, so a fixed nonce repeats nothing.
        ChaCha20::new(&key.into(), &[0; 12].into()).apply_keystream(&mut self.pool);
        key.zeroize();
        self.used = KEY;
    }
}

impl Drop for Rng {
    fn drop(&mut self) {
        self.pool.zeroize();
    }
}

impl core::fmt::Debug for Rng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Rng(..)")
    }
}

#[cfg(test)]
mod tests;
