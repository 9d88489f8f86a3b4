//! Time, as a driver needs it: what time it is, and who wakes us later.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::task::{Context, Poll, ready};

use unbroken_proto::{Duration, Instant};

use crate::budget::Budget;
use crate::runtime::Runtime;

/// How exactly clocks notice that they went back, in nanoseconds.
const GRAIN: u64 = 1_000_000;

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time of a runtime, which goes on from where it stood whenever the runtime's clock goes back. Who shares sessions,
/// deadlines or a registry shares one of these.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Time>);

trait Time: Send + Sync {
    fn now(&self) -> Instant;
    fn sleep(&self, duration: Duration) -> Sleep;
}

struct Steady<R> {
    runtime: R,
    latest: AtomicU64,
    /// By how much it is ahead of the runtime's clock.
    ahead: AtomicU64,
}

impl<R: Runtime> Time for Steady<R> {
    fn now(&self) -> Instant {
        let before = self.latest.load(Acquire);
        let known = self.ahead.load(Relaxed);
        let now = self.runtime.now().as_nanos().saturating_add(known);
        if now.saturating_add(GRAIN) < before {
            // The clock did it, not an interruption: `before` was read first. If another thread was faster, `known` is outdated.
            let ahead = known.saturating_add(before - now);
            let _seen = self.ahead.compare_exchange(known, ahead, Relaxed, Relaxed);
        } else if now > before.saturating_add(GRAIN) {
            // Seldom, so that the sessions of a server do not fight for it.
            self.latest.fetch_max(now, Relaxed);
        }
        Instant::from_nanos(now.max(before))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(self.runtime.sleep(duration))
    }
}

impl Clock {
    pub(crate) fn new<R: Runtime>(runtime: &R) -> Clock {
        Clock(Arc::new(Steady {
            runtime: runtime.clone(),
            latest: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
        }))
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.now()
    }

    pub(crate) fn timer(&self) -> Timer {
        Timer {
            clock: self.clone(),
            armed: None,
        }
    }
}

/// A clock and one alarm.
///
/// The clock decides what is due, not the sleep: a sleep that does not notice that the machine was suspended delays
/// nothing that another wake-up brings to light. A deadline that moves later costs nothing until the old one passes.
pub(crate) struct Timer {
    clock: Clock,
    armed: Option<(Instant, Sleep)>,
}

impl Timer {
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Ready once the clock, which said `now` in this poll, has reached `deadline`; until then the task is woken in time. Only
    /// the newest deadline counts.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()> {
        if deadline <= now {
            return Poll::Ready(());
        }
        // A sleep on another clock than ours may be over as soon as it begins; that must not keep the task busy.
        let mut budget = Budget::new();
        loop {
            match &mut self.armed {
                Some((at, sleep)) if *at <= deadline => {
                    ready!(sleep.as_mut().poll(cx));
                    self.armed = None;
                }
                _ => {
                    ready!(budget.poll_step(cx));
                    self.armed = Some((deadline, self.clock.0.sleep(deadline.saturating_since(now))));
                }
            }
        }
    }
}
