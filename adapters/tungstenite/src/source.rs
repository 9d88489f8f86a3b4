//! What a task waits for: a socket that has something, or takes something, and a point in time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use rustix::fd::AsFd;
use unbroken_proto::Instant;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Anything poll(2) can wait for.
pub(crate) trait Pollable: AsFd + Send + Sync {}

impl<S: AsFd + Send + Sync> Pollable for S {}

/// A socket, and who waits for it. Its reactor only has it on a list: with its last owner it is closed.
pub(crate) struct Source<S: ?Sized = dyn Pollable> {
    /// No other has or had it; 0 is none's.
    pub(crate) id: u64,
    pub(crate) waiting: Mutex<Waiting>,
    pub(crate) io: S,
}

#[derive(Default)]
pub(crate) struct Waiting {
    /// The reactor that has it on its list.
    pub(crate) reactor: u64,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl<S> Source<S> {
    pub(crate) fn new(io: S) -> Arc<Source<S>> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Source {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            waiting: Mutex::default(),
            io,
        })
    }
}

/// A point in time, and who waits for it.
pub(crate) struct Alarm {
    pub(crate) deadline: Instant,
    pub(crate) waiting: Mutex<Option<Waker>>,
}
