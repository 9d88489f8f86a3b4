//! The clocks that both real programs have in common: the retransmission timeout, its tick, and the schedule of dials.

use unbroken_proto::{Duration, Instant};

use crate::rng::Rng;
use crate::ssm::peer::DialError;

/// A microsecond, in nanoseconds.
pub const MICROSECOND: u64 = 1_000;
/// A millisecond, in nanoseconds.
pub const MILLISECOND: u64 = 1_000_000;

/// A duration between two numbers of microseconds.
pub fn micros(rng: &mut Rng, low: u64, high: u64) -> Duration {
    Duration::from_nanos(rng.between(low * MICROSECOND, high * MICROSECOND))
}

/// The retransmission timeout. There is no Karn's rule: what was sent twice is sampled like everything else.
#[derive(Clone, Copy, Debug)]
pub struct Rto {
    srtt: u64,
    variation: u64,
    timeout: u64,
}

impl Default for Rto {
    fn default() -> Rto {
        Rto {
            srtt: 100 * MILLISECOND,
            variation: 0,
            timeout: 200 * MILLISECOND,
        }
    }
}

impl Rto {
    /// The timeout now.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout)
    }

    /// A round trip took `sample`.
    pub fn sample(&mut self, sample: Duration) {
        let sample = u64::try_from(sample.as_nanos()).unwrap_or(u64::MAX).min(1 << 50);
        self.variation = self.variation * 3 / 4 + self.srtt.abs_diff(sample) / 4;
        self.srtt = self.srtt * 7 / 8 + sample / 8;
        let allowance = (4 * self.variation).max(10 * MILLISECOND);
        self.timeout = (self.srtt + allowance).min(1_000 * MILLISECOND);
    }
}

/// A loop that sleeps 100 ms and looks at the head of the outgoing buffer. A sleep takes a little longer than it says.
#[derive(Clone, Copy, Debug)]
pub struct Ticker {
    next: Instant,
    every: Duration,
}

impl Ticker {
    /// The first tick is one sleep after `now`.
    pub fn new(now: Instant, rng: &mut Rng) -> Ticker {
        let every = Duration::from_millis(100) + micros(rng, 200, 600);
        Ticker {
            next: now + every,
            every,
        }
    }

    /// The next tick.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Whether there has been a tick up to `now`. Those that nobody waited for are passed over.
    pub fn ticked(&mut self, now: Instant) -> bool {
        let ticked = self.next <= now;
        while self.next <= now {
            self.next = self.next + self.every;
        }
        ticked
    }
}

/// Dials after a connection is lost: six at most, the first at once, then after a random delay that doubles; after that never
/// again, and the process stays. The first connection of all has one more dial, at once.
#[derive(Clone, Debug)]
pub struct Redial {
    wanted: Option<Instant>,
    /// Dials that may still fail with another one to follow.
    left: u32,
    at_once: bool,
    delay: Duration,
    /// Requests of the try under way that were answered 5xx; the library asks three times more by itself.
    server_errors: u32,
    gave_up: bool,
}

impl Redial {
    /// For the first connection.
    pub fn first(now: Instant, rng: &mut Rng) -> Redial {
        let mut redial = Redial::lost(now, rng);
        (redial.left, redial.at_once) = (6, true);
        redial
    }

    /// For a connection that was lost now.
    pub fn lost(now: Instant, rng: &mut Rng) -> Redial {
        Redial {
            wanted: Some(now),
            left: 5,
            at_once: false,
            delay: Duration::from_millis(rng.between(100, 199)),
            server_errors: 0,
            gave_up: false,
        }
    }

    /// When to dial.
    #[must_use]
    pub fn wanted(&self) -> Option<Instant> {
        self.wanted
    }

    /// Whether all dials have failed.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// There is a connection.
    pub fn connected(&mut self) {
        self.wanted = None;
    }

    /// No more dials.
    pub fn give_up(&mut self) {
        self.wanted = None;
        self.gave_up = true;
    }

    /// A dial failed.
    pub fn failed(&mut self, now: Instant, error: DialError, rng: &mut Rng) {
        if error == DialError::ServerError && self.server_errors < 3 {
            let backoff = Duration::from_millis(rng.between(1_000, 1_500)) * (1 << self.server_errors);
            self.server_errors += 1;
            self.wanted = Some(now + backoff);
            return;
        }
        self.server_errors = 0;
        if self.left == 0 || matches!(error, DialError::NoCredentials | DialError::NoSession) {
            self.give_up();
            return;
        }
        self.left -= 1;
        if std::mem::take(&mut self.at_once) {
            self.wanted = Some(now);
            return;
        }
        self.wanted = Some(now + self.delay);
        self.delay *= 2;
    }
}

/// Whether a version of exactly four numbers is greater than `other`. Every other text counts as old.
#[must_use]
pub fn newer_than(version: &str, other: [u32; 4]) -> bool {
    let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
    let numbers: Option<[u32; 4]> = numbers.ok().and_then(|numbers| numbers.try_into().ok());
    numbers.is_some_and(|numbers| numbers > other)
}
