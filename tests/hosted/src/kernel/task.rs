//! What the executor knows of one task, and how it is woken.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Names a task.
pub type TaskId = u64;
/// Names a process: tasks that live, sleep and die together, and share a clock.
pub type ProcessId = u32;

/// What a task runs.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One task.
pub(super) struct Task {
    pub(super) name: String,
    pub(super) process: ProcessId,
    /// Out while it is polled.
    pub(super) work: Option<Work>,
    pub(super) waker: Waker,
    /// Not polled before.
    pub(super) frozen_until: u64,
    pub(super) polls: u64,
    /// When it was last polled, and how often at that instant.
    pub(super) last: (u64, u64),
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("process", &self.process)
            .field("polls", &self.polls)
            .finish_non_exhaustive()
    }
}

/// Who was woken since the executor last looked. A lock of its own, so that a waker may be called under any other.
#[derive(Default)]
pub(super) struct Woken {
    tasks: Mutex<BTreeSet<TaskId>>,
    alive: AtomicUsize,
    probe: Mutex<Option<Arc<Probe>>>,
    /// The kernel wakes, from inside of a connection's code: nothing else may run there.
    quiet: AtomicBool,
}

impl fmt::Debug for Woken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Woken")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

/// What an inline executor might do inside a wake-up: run somebody else's code.
pub type Probe = dyn Fn() + Send + Sync;

impl Woken {
    pub(super) fn take(&self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn put(&self, task: TaskId) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
    }

    /// Wakers that somebody still holds.
    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    pub(super) fn set_probe(&self, probe: Option<Arc<Probe>>) {
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = probe;
    }

    /// Wakes without running anything inside.
    pub(super) fn wake_all(&self, wakers: Vec<Waker>) {
        let before = self.quiet.swap(true, Ordering::Relaxed);
        wakers.into_iter().for_each(Waker::wake);
        self.quiet.store(before, Ordering::Relaxed);
    }

    fn probe(&self) {
        if self.quiet.load(Ordering::Relaxed) {
            return;
        }
        // Taken out while it runs: what it calls may wake others.
        let probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(probe) = probe {
            probe();
            self.set_probe(Some(probe));
        }
    }
}

struct TaskWaker {
    task: TaskId,
    woken: Arc<Woken>,
}

pub(super) fn waker(task: TaskId, woken: &Arc<Woken>) -> Waker {
    woken.alive.fetch_add(1, Ordering::Relaxed);
    Waker::from(Arc::new(TaskWaker {
        task,
        woken: Arc::clone(woken),
    }))
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.put(self.task);
        self.woken.probe();
    }
}

impl Drop for TaskWaker {
    fn drop(&mut self) {
        self.woken.alive.fetch_sub(1, Ordering::Relaxed);
    }
}
