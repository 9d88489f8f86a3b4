//! Time, as a driver needs it: what time it is, and who wakes us later.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use unbroken_proto::{Duration, Instant};

/// A clock and one alarm. One per driver.
pub trait Timer: Send {
    /// The time. All timers of a process must count from the same origin, and should go on counting
    /// while the machine sleeps.
    fn now(&self) -> Instant;

    /// Ready once [`now`](Timer::now) has reached `deadline`; until then the task is woken in time.
    /// Only the newest deadline counts.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()>;
}

/// The time since this machine was switched on, sleep included where the system can tell
/// (Linux, Android, Apple systems, Windows).
#[must_use]
pub fn uptime() -> Instant {
    system::now()
}

#[cfg(unix)]
mod system {
    use super::Instant;
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;

    pub(super) fn now() -> Instant {
        let time = clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }
}

#[cfg(not(unix))]
mod system {
    use super::Instant;
    use std::sync::OnceLock;

    pub(super) fn now() -> Instant {
        static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
        Instant::ZERO + ORIGIN.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// A [`Timer`] on [`uptime`] out of a runtime's sleep function.
///
/// The clock decides what is due, not the sleep: a sleep that does not notice that the machine was
/// suspended delays nothing that another wake-up brings to light. A deadline that moves later costs
/// nothing until the old one passes.
pub struct SleepTimer<F, S> {
    sleep: F,
    armed: Option<(Instant, Pin<Box<S>>)>,
}

impl<F, S> SleepTimer<F, S>
where
    F: FnMut(Duration) -> S,
    S: Future,
{
    /// A timer that sleeps with `sleep`.
    pub fn new(sleep: F) -> SleepTimer<F, S> {
        SleepTimer { sleep, armed: None }
    }
}

impl<F, S> Timer for SleepTimer<F, S>
where
    F: FnMut(Duration) -> S + Send,
    S: Future + Send,
{
    fn now(&self) -> Instant {
        uptime()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let now = uptime();
            if deadline <= now {
                return Poll::Ready(());
            }
            match &mut self.armed {
                Some((at, sleep)) if *at <= deadline => match sleep.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(_) => self.armed = None,
                },
                _ => self.armed = Some((deadline, Box::pin((self.sleep)(deadline.saturating_since(now))))),
            }
        }
    }
}
