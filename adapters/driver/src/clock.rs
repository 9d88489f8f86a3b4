//! Time, as a driver needs it: what time it is, and who wakes us later.

use std::task::{Context, Poll};

use unbroken_proto::Instant;

/// A clock and one alarm; each driver has one. [`RuntimeTimer`](crate::RuntimeTimer) makes one of a runtime.
pub trait Timer: Send {
    /// The time. All timers that sessions of one process use must count from the same origin, and should go on counting
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
