//! Polling futures: one on this thread until it is ready, or many in turns of a poll loop.

use std::collections::{HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant as Moment;

use unbroken_proto::Duration;

use crate::reactor::Reactor;
use crate::source::lock;

/// Runs `future` to its end on this thread. Sockets and sleeps of this crate work inside.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Some(output) = wait(None, future.as_mut()) {
            return output;
        }
    }
}

/// As [`block_on`], no longer than `within`; `None`: it was not ready in time, and is dropped.
pub fn block_on_within<T>(within: Duration, future: impl Future<Output = T>) -> Option<T> {
    wait(Some(within), future)
}

/// Polls at least once; `None`: the time is over.
pub(crate) fn wait<T>(within: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    // A limit beyond the clock is none.
    let limit = within.and_then(|within| Moment::now().checked_add(within));
    let reactor = Reactor::of_thread();
    let waker = Waker::from(Arc::clone(&reactor));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = reactor.enter(|| future.as_mut().poll(&mut cx)) {
            return Some(output);
        }
        let left = limit.map(|limit| limit.saturating_duration_since(Moment::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
        reactor.wait(left);
    }
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks of a poll loop.
pub(crate) struct Executor {
    pub(crate) reactor: Arc<Reactor>,
    ready: Mutex<VecDeque<Arc<Task>>>,
    tasks: Mutex<HashMap<u64, Arc<Task>>>,
    spawned: AtomicU64,
}

struct Task {
    id: u64,
    executor: Weak<Executor>,
    future: Mutex<Option<Boxed>>,
    queued: AtomicBool,
}

impl Executor {
    pub(crate) fn new() -> Arc<Executor> {
        Arc::new(Executor {
            reactor: Arc::new(Reactor::new()),
            ready: Mutex::default(),
            tasks: Mutex::default(),
            spawned: AtomicU64::new(0),
        })
    }

    pub(crate) fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let task = Arc::new(Task {
            id: self.spawned.fetch_add(1, Ordering::Relaxed),
            executor: Arc::downgrade(self),
            future: Mutex::new(Some(Box::pin(future))),
            queued: AtomicBool::new(false),
        });
        lock(&self.tasks).insert(task.id, Arc::clone(&task));
        task.wake();
    }

    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.ready).is_empty()
    }

    /// Polls every task that is ready now once: those that become ready meanwhile wait for the next turn, behind what
    /// the sockets and the clock have to say.
    pub(crate) fn turn(&self) {
        let ready = std::mem::take(&mut *lock(&self.ready));
        for task in ready {
            task.queued.store(false, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(&task));
            let mut slot = lock(&task.future);
            let Some(future) = slot.as_mut() else { continue };
            let mut cx = Context::from_waker(&waker);
            if self.reactor.enter(|| future.as_mut().poll(&mut cx)).is_ready() {
                let over = slot.take();
                drop(slot);
                drop(over);
                lock(&self.tasks).remove(&task.id);
            }
        }
    }

    /// Drops all tasks.
    pub(crate) fn clear(&self) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        for task in tasks.into_values() {
            let over = lock(&task.future).take();
            drop(over);
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let Some(executor) = self.executor.upgrade() else {
            return;
        };
        if !self.queued.swap(true, Ordering::SeqCst) {
            lock(&executor.ready).push_back(self);
            executor.reactor.notify();
        }
    }
}
