//! Polling futures: one on this thread until it is ready, or many in the turns of a poll loop.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant as Moment;

use unbroken_proto::Duration;

use crate::reactor::Reactor;
use crate::source::lock;

/// Runs `future` to its end on this thread. Sockets and sleeps of this crate work inside.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Some(output) = block_on_within(None, future.as_mut()) {
            return output;
        }
    }
}

/// As [`block_on`], no longer than `within`; `None`: it was not ready in time, and is dropped. It is polled once at least,
/// so that a limit of zero looks and does not wait.
pub fn block_on_within<T>(within: impl Into<Option<Duration>>, future: impl Future<Output = T>) -> Option<T> {
    // A limit beyond the clock is none.
    let limit = within.into().and_then(|within| Moment::now().checked_add(within));
    let reactor = Reactor::of_thread();
    let (waker, mut was_late) = (Waker::from(Arc::clone(&reactor)), false);
    let mut future = pin!(future);
    loop {
        let polled = reactor.enter(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        let left = limit.map(|limit| limit.saturating_duration_since(Moment::now()));
        let is_late = left.is_some_and(|left| left.is_zero());
        // Who only let other tasks go first is polled once more.
        if is_late && (was_late || !reactor.has_news()) {
            return None;
        }
        was_late = is_late;
        reactor.wait(left);
    }
}

/// The tasks of a poll loop.
pub(crate) struct Executor {
    pub(crate) reactor: Arc<Reactor>,
    tasks: Mutex<VecDeque<Task>>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Woken>,
}

struct Woken {
    reactor: Arc<Reactor>,
    flag: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, SeqCst);
        self.reactor.notify();
    }
}

impl Executor {
    pub(crate) fn new() -> Arc<Executor> {
        let reactor = Arc::new(Reactor::new());
        Arc::new(Executor {
            reactor,
            tasks: Mutex::default(),
        })
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let (future, flag) = (Box::pin(future), AtomicBool::new(true));
        let reactor = Arc::clone(&self.reactor);
        let woken = Arc::new(Woken { reactor, flag });
        lock(&self.tasks).push_back(Task { future, woken });
        self.reactor.notify();
    }

    /// How many tasks are not over.
    pub(crate) fn tasks(&self) -> usize {
        lock(&self.tasks).len()
    }

    /// Whether no task is to be polled.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.tasks).iter().all(|task| !task.woken.flag.load(SeqCst))
    }

    /// Polls every task once that was woken: one that is woken again waits for the next turn, behind what the sockets and
    /// the clock have to say. One that panics takes no other along.
    pub(crate) fn turn(&self) {
        for _ in 0..self.tasks() {
            let Some(mut task) = lock(&self.tasks).pop_front() else {
                return;
            };
            let woken = task.woken.flag.swap(false, SeqCst);
            if !woken || self.poll(&mut task).is_pending() {
                lock(&self.tasks).push_back(task);
            }
        }
    }

    fn poll(&self, task: &mut Task) -> Poll<()> {
        let waker = Waker::from(Arc::clone(&task.woken));
        let mut cx = Context::from_waker(&waker);
        self.reactor.enter(|| task.future.as_mut().poll(&mut cx))
    }
}
