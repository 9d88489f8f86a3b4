//! The clock of this machine.

use unbroken_proto::Instant;

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
