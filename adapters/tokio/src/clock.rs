//! One clock for sessions and their sleep, whether tokio's time is paused or not.

use std::sync::OnceLock;
use std::time::{Duration, Instant as StdInstant};

use unbroken_carriers::driver::proto::Instant;
use unbroken_driver::uptime;

/// One moment on both clocks.
#[derive(Clone, Copy)]
struct Origin {
    system: StdInstant,
    uptime: Instant,
}

/// The machine's uptime, or tokio's time where that is not the system's.
///
/// Uptime counts while the machine sleeps, and tokio's time does not; so it is the uptime that is wanted. tokio does not
/// say whether its time is paused, but its present then lies outside two looks at the system's clock. Both clocks are
/// counted from one origin, so that they go over into each other when time is paused or resumed in the middle of a
/// session.
pub(crate) fn now() -> Instant {
    static ORIGIN: OnceLock<Origin> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(|| Origin {
        system: StdInstant::now(),
        uptime: uptime(),
    });
    let before = StdInstant::now();
    let tokio = tokio::time::Instant::now().into_std();
    if before <= tokio && tokio <= StdInstant::now() {
        return uptime();
    }
    match tokio.checked_duration_since(origin.system) {
        Some(since) => origin.uptime + since,
        None => earlier(origin.uptime, origin.system - tokio),
    }
}

fn earlier(instant: Instant, by: Duration) -> Instant {
    let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
    Instant::from_nanos(instant.as_nanos().saturating_sub(by))
}
