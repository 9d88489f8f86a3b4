//! Waiting on a plain thread, with a limit.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Nothing on loopback takes this long.
pub const LIMIT: Duration = Duration::from_secs(60);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker for the current thread.
#[must_use]
pub fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// `future`'s output; fails instead of hanging.
#[track_caller]
pub fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let began = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let left = LIMIT.saturating_sub(began.elapsed());
        assert!(!left.is_zero(), "never happened: {what}");
        thread::park_timeout(left);
    }
}

/// Waits for `condition`.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
