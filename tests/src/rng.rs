//! Chance, from one number or from a tape of bytes.

use unbroken_proto::config::Seed;

/// A small generator. Seeded, it is splitmix64; given a tape it takes its choices from the tape's
/// bytes and answers zero (always the tamest choice) when the tape is at its end, so that a fuzzer or
/// a shrinker that shortens the tape makes the schedule simpler.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
    tape: Option<Tape>,
}

#[derive(Clone, Debug)]
struct Tape {
    bytes: Vec<u8>,
    at: usize,
}

impl Rng {
    /// Everything follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        Rng {
            state: seed ^ 0x6a09_e667_f3bc_c909,
            tape: None,
        }
    }

    /// Choices come from `bytes`.
    #[must_use]
    pub fn from_tape(bytes: &[u8]) -> Rng {
        Rng {
            state: 0,
            tape: Some(Tape {
                bytes: bytes.to_vec(),
                at: 0,
            }),
        }
    }

    /// Whether a tape has been used up. A seeded generator never is.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.at >= tape.bytes.len())
    }

    /// An independent generator, never on a tape.
    pub fn fork(&mut self) -> Rng {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Rng::new(mix(self.state))
    }

    /// Any `u64`.
    pub fn number(&mut self) -> u64 {
        if self.tape.is_some() {
            return (0..8).fold(0, |sum, _| sum << 8 | self.taken());
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Below `bound`; zero when the bound is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        if self.tape.is_some() {
            let mut raw = self.taken();
            let mut span = 256u64;
            while span < bound {
                raw = raw << 8 | self.taken();
                span = span.saturating_mul(256);
            }
            return raw % bound;
        }
        let wide = u128::from(self.number()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// From `low` to `high`, small and large magnitudes equally often.
    pub fn scaled(&mut self, low: u64, high: u64) -> u64 {
        let bits = |n: u64| u64::from(64 - n.leading_zeros());
        let width = self.between(bits(low), bits(high));
        let top = if width >= 64 { u64::MAX } else { (1 << width) - 1 };
        let bottom = if width == 0 { 0 } else { 1 << (width - 1) };
        self.between(bottom.max(low), top.min(high))
    }

    /// True in `permille` of a thousand cases; false at the end of a tape.
    pub fn chance(&mut self, permille: u64) -> bool {
        permille > 0 && self.below(1_000) >= 1_000u64.saturating_sub(permille)
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).unwrap_or(0)]
    }

    /// A seed for a machine. Off the tape: a fuzzer gains nothing by choosing keys.
    pub fn seed(&mut self) -> Seed {
        let mut fork = self.fork();
        let mut bytes = [0; 32];
        bytes
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&fork.number().to_le_bytes()));
        Seed(bytes)
    }

    fn taken(&mut self) -> u64 {
        let Some(tape) = &mut self.tape else { return 0 };
        let byte = tape.bytes.get(tape.at).copied().unwrap_or(0);
        tape.at = tape.at.saturating_add(1);
        u64::from(byte)
    }
}

/// Splitmix64's finisher: every bit of `n` in every bit of the result.
#[must_use]
pub fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}
