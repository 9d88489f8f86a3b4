//! When to dial again.

use crate::error::ConfigError;
use crate::setters::setters;
use crate::time::{Duration, Instant};

/// The shortest pause between tries that may be asked for, in milliseconds, jitter apart.
const LEAST_PAUSE: u64 = 10;

/// How delays vary, so that those who lost the same server do not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// The delay is what the numbers say.
    None,
    /// Anything from nothing to what the numbers say.
    Full,
    /// What the numbers say, give or take so many percent (up to 100).
    Percent(u8),
}

/// Exponential backoff.
///
/// The first try comes after [`first`](Self::first), the second after [`base`](Self::base), and each later one after
/// [`multiplier`](Self::multiplier) times more, up to [`cap`](Self::cap); [`jitter`](Self::jitter) says how these
/// delays vary. The count goes back to the start only after a connection stayed attached for
/// [`stable_after`](Self::stable_after).
///
/// | preset | first | then | up to | jitter | tries |
/// |---|---|---|---|---|---|
/// | [`default`](Self::default) | within 100 ms | 200 ms, x 2 | 30 s | full | endless |
/// | [`five_tries`](Self::five_tries) | 2 s | x 1.5 | 30 s | none | 5 |
/// | [`five_varied_tries`](Self::five_varied_tries) | 1 s | x 1.5 | 30 s | 20 % | 5 |
/// | [`endless_doubling`](Self::endless_doubling) | 1 s | x 2 | 60 s | none | endless |
/// | [`never`](Self::never) | | | | | none after a loss |
///
/// Endless: until the session's detached lifetime ends. Many clients of one server want jitter.
///
/// A session's first dial of all is made at once; it counts as one of the tries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The delay before the first try after a loss; less than 10 ms only with a [`stable_after`](Self::stable_after) that is
    /// not. Default 100 ms.
    pub first: Duration,
    /// The delay before the second try; grows from there. 10 ms or more, default 200 ms.
    pub base: Duration,
    /// What each further delay is of the one before, in percent: 100 to 1,000, default 200.
    pub multiplier: u16,
    /// The longest delay, jitter apart. 10 ms or more, default 30 s.
    pub cap: Duration,
    /// How delays vary. Default full.
    pub jitter: Jitter,
    /// Tries before the session ends with [`GaveUp`](crate::event::EndReason::GaveUp); `None`: as long as the session lives.
    pub attempts: Option<u32>,
    /// The longest one attempt may take, dial and handshake together, whatever their own timeouts; `None`:
    /// these alone. 1 ms or more.
    pub attempt_timeout: Option<Duration>,
    /// How long a connection must stay attached before the count starts afresh. Default 10 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            first: Duration::from_millis(100),
            base: Duration::from_millis(200),
            multiplier: 200,
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
            attempts: None,
            attempt_timeout: None,
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// 2 s, then 1.5 times more up to 30 s; five tries. For a person who waits and would rather be told.
    #[must_use]
    pub fn five_tries() -> Backoff {
        Backoff {
            first: Duration::from_secs(2),
            base: Duration::from_secs(3),
            multiplier: 150,
            jitter: Jitter::None,
            attempts: Some(5),
            ..Backoff::default()
        }
    }

    /// 1 s, then 1.5 times more, give or take 20 %; five tries. For devices.
    #[must_use]
    pub fn five_varied_tries() -> Backoff {
        Backoff {
            first: Duration::from_secs(1),
            base: Duration::from_millis(1_500),
            multiplier: 150,
            jitter: Jitter::Percent(20),
            attempts: Some(5),
            ..Backoff::default()
        }
    }

    /// 1 s, then twice as long up to 60 s, without end. For peers that are few and patient.
    #[must_use]
    pub fn endless_doubling() -> Backoff {
        Backoff {
            first: Duration::from_secs(1),
            base: Duration::from_secs(2),
            cap: Duration::from_secs(60),
            jitter: Jitter::None,
            ..Backoff::default()
        }
    }

    /// No try after a loss: a session without reconnecting, which ends when its connection does. Its first dial of
    /// all is made.
    #[must_use]
    pub fn never() -> Backoff {
        Backoff {
            attempts: Some(0),
            ..Backoff::default()
        }
    }

    /// Checks every range documented on the fields, so that no backoff dials without a pause.
    ///
    /// # Errors
    /// The first field found out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let percent = match self.jitter {
            Jitter::Percent(percent) => u64::from(percent),
            Jitter::None | Jitter::Full => 0,
        };
        let timeout = millis(self.attempt_timeout.unwrap_or(Duration::MAX));
        let paced = self.first.max(self.stable_after);
        for (field, value, min, max) in [
            ("base (ms)", millis(self.base), LEAST_PAUSE, u64::MAX),
            ("cap (ms)", millis(self.cap), LEAST_PAUSE, u64::MAX),
            ("first (ms), or stable_after,", millis(paced), LEAST_PAUSE, u64::MAX),
            ("multiplier (%)", u64::from(self.multiplier), 100, 1_000),
            ("jitter (%)", percent, 0, 100),
            ("attempt_timeout (ms)", timeout, 1, u64::MAX),
        ] {
            if value < min || value > max {
                return Err(ConfigError::OutOfRange { field, min, max });
            }
        }
        Ok(())
    }

    /// The delay before try `failures` (from 0), before jitter.
    fn delay(&self, failures: u32) -> u64 {
        let Some(growths) = failures.checked_sub(1) else {
            return nanos(self.first);
        };
        let cap = nanos(self.cap);
        let mut delay = nanos(self.base).min(cap);
        // Beyond the cap, or where a step is too small to grow by, there is nothing more to do.
        for _ in 0..growths {
            let next = u128::from(delay) * u128::from(self.multiplier) / 100;
            let next = u64::try_from(next).unwrap_or(u64::MAX).min(cap);
            if next <= delay {
                break;
            }
            delay = next;
        }
        delay
    }

    /// `delay`, varied; `random` is uniform over all of `u64`.
    fn vary(&self, delay: u64, random: u64) -> Duration {
        let varied = match self.jitter {
            Jitter::None => delay,
            Jitter::Full => part(delay, random),
            Jitter::Percent(percent) => {
                let spread = u64::try_from(u128::from(delay) * u128::from(percent.min(100)) / 100).unwrap_or(delay);
                (delay - spread).saturating_add(part(spread.saturating_mul(2), random))
            }
        };
        Duration::from_nanos(varied)
    }

    /// When to try again after the server said "not before `after`": `after`, clamped to the cap, and up to half
    /// as much again, so that all who were told the same do not come in step.
    pub(crate) fn later(&self, after: Duration, random: u64) -> Duration {
        let after = nanos(after.min(self.cap));
        Duration::from_nanos(after.saturating_add(part(after / 2, random)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A part of `most`, up to all of it, as `random` says.
fn part(most: u64, random: u64) -> u64 {
    let part = (u128::from(random) * (u128::from(most) + 1)) >> 64;
    u64::try_from(part).unwrap_or(most)
}

setters! {
    Backoff {
        with_first first: Duration,
        with_base base: Duration,
        with_multiplier multiplier: u16,
        with_cap cap: Duration,
        with_jitter jitter: Jitter,
        with_attempts attempts: Option<u32>,
        with_attempt_timeout attempt_timeout: Option<Duration>,
        with_stable_after stable_after: Duration,
    }
}

/// How many tries were made since the last stable connection, and when the next is due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retry {
    /// Tries, all of them.
    tries: u32,
    /// Those that were followed by a longer wait.
    failures: u32,
}

impl Retry {
    /// Counts a try and returns the instant of it, or `None` when no try is left.
    /// `random` is uniform over all of `u64`.
    pub(crate) fn next(&mut self, now: Instant, policy: &Backoff, random: u64) -> Option<Instant> {
        let due = self.again(now, policy, random)?;
        self.failures = self.failures.saturating_add(1);
        Some(due)
    }

    /// The same for a try that waits no longer than the one before it: the server was there, and said when to come.
    pub(crate) fn again(&mut self, now: Instant, policy: &Backoff, random: u64) -> Option<Instant> {
        if policy.attempts.is_some_and(|max| self.tries >= max) {
            return None;
        }
        self.tries = self.tries.saturating_add(1);
        Some(now + policy.vary(policy.delay(self.failures), random))
    }

    /// What was tried so far was not in vain, but no reason to hurry either.
    pub(crate) fn forgive(&mut self) {
        self.tries = 0;
    }

    /// A connection stayed attached long enough.
    pub(crate) fn reset(&mut self) {
        *self = Retry::default();
    }
}

#[cfg(test)]
mod tests;
