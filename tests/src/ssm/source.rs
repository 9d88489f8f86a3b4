//! What an application has to send, and when.

use unbroken_proto::{Duration, Instant};

use crate::rng::Rng;

/// Bytes, each there from some time on.
#[derive(Clone, Debug, Default)]
pub struct Source {
    bytes: Vec<u8>,
    /// From when on how many are there.
    due: Vec<(Instant, usize)>,
}

impl Source {
    /// Nothing to send.
    #[must_use]
    pub fn none() -> Source {
        Source::default()
    }

    /// So many random bytes, all at once.
    pub fn bulk(rng: &mut Rng, length: usize, at: Instant) -> Source {
        let mut source = Source::none();
        let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(rng.below(256)).unwrap_or(0)).collect();
        source.push(at, &bytes);
        source
    }

    /// So many numbered lines. A program that prints and sleeps does not do so evenly: what passes between two lines is
    /// drawn from an exponential distribution.
    pub fn lines(rng: &mut Rng, count: usize, per_second: u64, from: Instant) -> Source {
        let mut source = Source::none();
        let mut at = from;
        for line in 0..count {
            source.push(at, format!("line {line} of {count}\r\n").as_bytes());
            let chance = (rng.below(1 << 20) as f64 + 0.5) / f64::from(1u32 << 20);
            let gap = -chance.ln() / per_second as f64;
            at = at + Duration::from_secs_f64(gap);
        }
        source
    }

    /// Appends bytes that are there no sooner than `at`, nor than those before them.
    pub fn push(&mut self, at: Instant, bytes: &[u8]) {
        let at = self.due.last().map_or(at, |(last, _)| at.max(*last));
        self.bytes.extend_from_slice(bytes);
        self.due.push((at, self.bytes.len()));
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What there is now, behind the first `taken` bytes.
    #[must_use]
    pub fn offered(&self, now: Instant, taken: usize) -> &[u8] {
        let known = self.due.partition_point(|(at, _)| *at <= now);
        let end = known.checked_sub(1).map_or(0, |last| self.due[last].1);
        self.bytes.get(taken..end).unwrap_or_default()
    }

    /// When there is more than there is now.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let known = self.due.partition_point(|(at, _)| *at <= now);
        self.due.get(known).map(|(at, _)| *at)
    }
}
