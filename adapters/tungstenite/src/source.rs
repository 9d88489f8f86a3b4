//! Sockets, and who waits for them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that nothing else in the process has; never 0.
pub(crate) fn fresh_id() -> u64 {
    static IDS: AtomicU64 = AtomicU64::new(1);
    IDS.fetch_add(1, Ordering::Relaxed)
}

/// A socket, and who waits for it. Its reactor only has it on a list: with its last owner it is closed.
pub(crate) struct Source<S: ?Sized = dyn AsFd + Send + Sync> {
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

impl<S> Source<S> {
    pub(crate) fn new(io: S) -> Arc<Source<S>> {
        let (id, waiting) = (fresh_id(), Mutex::default());
        Arc::new(Source { id, waiting, io })
    }
}

impl<S: ?Sized> fmt::Debug for Source<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.id)
    }
}

/// A descriptor to be polled, by the host of a [`Stepper`](crate::Stepper). It stays open as long as this lives.
#[derive(Debug)]
pub struct Interest {
    pub(crate) source: Arc<Source>,
    pub(crate) flags: PollFlags,
}

impl Interest {
    /// A number that no other descriptor has or had, for a host that keeps a list: where the system tells of changes only
    /// (`mio`), register each number once, for both directions.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.source.id
    }

    /// Whether to wait until it has something to read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.flags.contains(PollFlags::IN)
    }

    /// Whether to wait until it takes more.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.flags.contains(PollFlags::OUT)
    }
}

impl AsFd for Interest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.io.as_fd()
    }
}
