//! Sessions and servers in a poll loop of one's own: nothing here blocks, waits, or has a thread.

use std::io;
use std::sync::Arc;

use rustix::fd::{AsFd, BorrowedFd};
use unbroken_proto::Duration;

use crate::executor::Executor;
use crate::notifier::Notifier;
use crate::runtime::PollRuntime;
use crate::source::Source;

/// Everything that waits on one [runtime](Stepper::runtime), moved on by [`step`](Stepper::step).
///
/// The host's loop: [`step`](Self::step); whatever it likes with sessions, servers and streams, in calls with a time
/// limit of zero or in [tasks](PollRuntime::try_spawn); wait until one of the [`interests`](Self::interests) is ready, or
/// [`timeout`](Self::timeout); again. A step reads and writes until the sockets block, and asks all of them itself; so it is
/// enough to be woken when *any* has news, by edges, too.
///
/// Only looking up a name takes a thread: an address that is a number does without. Each step looks at every socket: for some
/// hundreds of sessions. Dropping the stepper aborts its sessions.
///
/// See `examples/mio.rs`.
pub struct Stepper {
    executor: Arc<Executor>,
    notifier: Arc<Notifier>,
}

/// Turns in one step before the host's other work gets its own.
const TURNS: usize = 8;

impl Stepper {
    /// A stepper with nothing to do.
    ///
    /// # Errors
    /// The system has no descriptor left for waking it.
    pub fn new() -> io::Result<Stepper> {
        let executor = Executor::new();
        let notifier = Arc::clone(executor.reactor.notifier()?);
        Ok(Stepper { executor, notifier })
    }

    /// For sessions, servers and tasks of this loop.
    #[must_use]
    pub fn runtime(&self) -> PollRuntime {
        PollRuntime::stepped(Arc::clone(&self.executor))
    }

    /// Does what can be done without waiting, but not for ever: see [`timeout`](Self::timeout).
    pub fn step(&mut self) {
        for _ in 0..TURNS {
            self.executor.reactor.wait(Some(Duration::ZERO));
            self.executor.turn();
            if self.executor.is_idle() {
                break;
            }
        }
    }

    /// How long the host may wait before the next step if no interest is ready; `None`: for ever. From this call on, what
    /// other threads do to sessions makes an interest ready.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        let quiet = self.executor.reactor.begin_polling() && self.executor.is_idle();
        if quiet {
            self.executor.reactor.until_alarm()
        } else {
            Some(Duration::ZERO)
        }
    }

    /// All that can make a step worth while.
    pub fn interests(&self) -> impl Iterator<Item = Interest> {
        let notified = Interest {
            descriptor: Descriptor::Notifier(Arc::clone(&self.notifier)),
            readable: true,
            writable: false,
        };
        let sockets = self.executor.reactor.wanted().into_iter().map(|wanted| Interest {
            descriptor: Descriptor::Socket(wanted.source),
            readable: wanted.reading,
            writable: wanted.writing,
        });
        std::iter::once(notified).chain(sockets)
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        self.executor.clear();
    }
}

/// A descriptor to be polled by the host. It stays open as long as this lives.
pub struct Interest {
    descriptor: Descriptor,
    readable: bool,
    writable: bool,
}

enum Descriptor {
    Notifier(Arc<Notifier>),
    Socket(Arc<Source>),
}

impl Interest {
    /// A number that no other descriptor has or had, for a host that keeps a list: where the system polls by edges
    /// (`mio`), register each number once, for both directions.
    #[must_use]
    pub fn token(&self) -> u64 {
        match &self.descriptor {
            Descriptor::Notifier(_) => 0,
            Descriptor::Socket(source) => source.id,
        }
    }

    /// Whether to wait until it has something to read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether to wait until it takes more.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }
}

impl AsFd for Interest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.descriptor {
            Descriptor::Notifier(notifier) => notifier.as_fd(),
            Descriptor::Socket(source) => source.io.as_fd(),
        }
    }
}
