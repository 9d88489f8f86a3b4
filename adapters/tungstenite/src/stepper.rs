//! Sessions and servers in a poll loop of one's own: nothing here blocks, waits, or has a thread.

use std::fmt;
use std::io;
use std::sync::Arc;

use unbroken_proto::Duration;

use crate::executor::Executor;
use crate::runtime::PollRuntime;
use crate::source::Interest;

/// Turns in one step before the host's other work gets its own.
const TURNS: usize = 8;

/// Everything that runs on one [runtime](Stepper::runtime), moved on by [`step`](Stepper::step).
///
/// The host's loop: [`step`](Self::step); whatever it likes with sessions, servers and streams, in calls with a time
/// limit of zero or in tasks of the runtime; wait until one of the [`interests`](Self::interests) is ready, or
/// [`timeout`](Self::timeout), or a signal; again. A step reads and writes until the sockets block, and asks all of them itself; so it
/// is enough to be told that *any* has news, and of changes only.
///
/// Only looking up a name takes a thread: an address that is a number does without. Each step looks at every socket: for
/// some hundreds of sessions. Dropping the stepper aborts them. `examples/mio.rs` has a whole one.
pub struct Stepper {
    executor: Arc<Executor>,
}

impl Stepper {
    /// A stepper with nothing to do.
    ///
    /// # Errors
    /// The system has no descriptor for waking it.
    pub fn new() -> io::Result<Stepper> {
        let executor = Executor::new();
        executor.reactor.use_poll()?;
        Ok(Stepper { executor })
    }

    /// For sessions, servers and tasks of this loop.
    #[must_use]
    pub fn runtime(&self) -> PollRuntime {
        let executor = Some(Arc::downgrade(&self.executor));
        PollRuntime { executor }
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
        if self.executor.reactor.begin_waiting() && self.executor.is_idle() {
            self.executor.reactor.until_next()
        } else {
            Some(Duration::ZERO)
        }
    }

    /// The descriptors to wait for.
    #[must_use]
    pub fn interests(&self) -> Vec<Interest> {
        self.executor.reactor.interests()
    }

    /// How many tasks are not over: sessions, connections on their way to one, listeners, a server's own.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.executor.tasks()
    }
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper")
            .field("tasks", &self.tasks())
            .finish_non_exhaustive()
    }
}
