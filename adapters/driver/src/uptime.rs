//! The clock of this machine.

use unbroken_proto::Instant;

/// The time since this machine was switched on, sleep included where the system can tell
/// (Linux, Android, Apple systems, Windows).
#[must_use]
pub fn uptime() -> Instant {
    now()
}

#[cfg(unix)]
fn now() -> Instant {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(not(unix))]
fn now() -> Instant {
    static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    Instant::ZERO + ORIGIN.get_or_init(std::time::Instant::now).elapsed()
}
