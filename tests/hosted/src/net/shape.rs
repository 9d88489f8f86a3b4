//! How the bytes of a connection travel.

use unbroken_tests::rng::Rng;

/// See the module. Times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// One way.
    pub latency: u64,
    /// Added at most.
    pub jitter: u64,
    /// Bytes a second.
    pub bandwidth: u64,
    /// Bytes between a write and the read of it: buffers of both ends and what is under way.
    pub buffer: usize,
    /// Pieces in which one write arrives, at most.
    pub pieces: u64,
    /// Everything arrives at multiples of this, so that writes come together.
    pub grid: u64,
    /// Of a thousand connections, those that are read in small stretches,
    pub short_reads: u64,
    /// and those of which a write takes only little.
    pub short_writes: u64,
}

const MS: u64 = 1_000_000;

impl Shape {
    /// A good network.
    #[must_use]
    pub const fn plain() -> Shape {
        Shape {
            latency: MS,
            jitter: 0,
            bandwidth: 100_000_000,
            buffer: 65_536,
            pieces: 1,
            grid: 1,
            short_reads: 0,
            short_writes: 0,
        }
    }

    /// Draws one.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Shape {
        Shape {
            latency: *rng.pick(&[1, 0, 20, 150]) * MS,
            jitter: *rng.pick(&[0, 1, 30]) * MS,
            bandwidth: *rng.pick(&[100_000_000, 1_000_000, 60_000]),
            buffer: usize::try_from(*rng.pick(&[65_536u64, 3_000, 20_000, 400_000])).unwrap_or(1),
            pieces: *rng.pick(&[1, 2, 7]),
            grid: *rng.pick(&[1, 1, 10 * MS]),
            short_reads: *rng.pick(&[0, 0, 300]),
            short_writes: *rng.pick(&[0, 0, 300]),
        }
    }

    /// A good network, of the same kind.
    #[must_use]
    pub fn healed(self) -> Shape {
        Shape {
            latency: self.latency.min(5 * MS),
            jitter: 0,
            bandwidth: 100_000_000,
            buffer: 200_000,
            ..self
        }
    }
}
