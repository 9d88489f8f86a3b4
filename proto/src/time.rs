//! Time as the machine knows it: a count of nanoseconds since an origin that the host chose.

pub use core::time::Duration;

/// How long a byte takes on the slowest line that is borne: 300 bit/s with start and stop bits.
const SLOWEST_BYTE: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// A moment, in nanoseconds since an origin of the host's choosing (process start, boot, zero in a
/// simulation). The machine compares and adds; it never asks what time it is.
///
/// # Clocks that jump
/// A machine ([`Session`](crate::Session), [`Registry`](crate::server::Registry)) believes the clock of its host:
///
/// | the clock | means | so |
/// |---|---|---|
/// | jumps forward | so much time has passed | every time limit that it passes is over, once: linger ends, handshakes and dials fail and are tried again, backoff is over, a drain's time is up. A connection that is up is *not* given up for the silence in which nobody looked: its peer is asked, and has the usual seconds to answer. A detached session is *not* over for the time in which nobody looked: its peer has another minute (or the session's lifetime, if that is shorter) to come. A registry does not take a jump of more than 11 s for the age of its tombstones, nor claims to remember for so much longer, so that a client's fates are unknown rather than wrong |
/// | goes back | nothing | the machine goes on counting from the latest instant that it was given: nothing happens twice, or sooner, but what waits for a time waits for the clock to come there again. A host that can tell how far its clock went back should add that to what it passes in |
/// | stops while the system sleeps | no time has passed | the same as at the peers, whose clocks went on: a client may come back after its session expired. If that is so long ago that its tombstone is gone, and the client had no acknowledgement, then what it had sent may arrive twice. A host should use a clock that goes on |
///
/// ```
/// use unbroken_proto::time::{Duration, Instant};
/// let start = Instant::from_nanos(5);
/// let later = start + Duration::from_nanos(10);
/// assert_eq!(later.saturating_since(start), Duration::from_nanos(10));
/// assert_eq!(start.saturating_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant(0);

    /// The moment `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    /// The moment `millis` milliseconds after the origin (saturating).
    #[must_use]
    pub const fn from_millis(millis: u64) -> Instant {
        Instant(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    #[must_use]
    pub fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time, some 584 years after the origin.
    fn add(self, rhs: Duration) -> Instant {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

/// The latest instant that a machine was given: its time never goes back.
#[derive(Debug, Default)]
pub(crate) struct Latest(Instant);

impl Latest {
    /// The machine's time, now that its host says `now`.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.0 = self.at(now);
        self.0
    }

    /// The same, for a look that changes nothing.
    pub(crate) fn at(&self, now: Instant) -> Instant {
        self.0.max(now)
    }
}

/// A deadline of somebody who waits for a packet, of which `bytes` came: later by as long as the slowest line that is borne takes
/// for them, but no later than `longest`, and no sooner than it was.
#[must_use]
pub(crate) fn extended(deadline: Instant, longest: Instant, bytes: usize) -> Instant {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    deadline.max(longest.min(deadline + SLOWEST_BYTE.saturating_mul(bytes)))
}

/// The earlier of two optional deadlines.
#[must_use]
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, None) => a,
        (None, b) => b,
    }
}
