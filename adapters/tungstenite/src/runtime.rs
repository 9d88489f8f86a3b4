//! The driver's runtime on plain threads, or in a poll loop.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};
use std::thread;

use futures_channel::oneshot;
use unbroken_driver::{Runtime, uptime};
use unbroken_proto::Duration;

use crate::executor::{Executor, block_on};
use crate::reactor::Sleep;
use crate::socket::{Listener, Socket};

/// Names that are looked up at once in a process; beyond, a dial fails and is tried again later.
const LOOKUPS: usize = 64;

/// What runs tasks: each on a thread of its own ([`PollRuntime::threads`]), or all in a poll loop
/// ([`Stepper::runtime`](crate::Stepper::runtime)). Whichever polls a socket waits for it.
#[derive(Clone)]
pub struct PollRuntime {
    /// None: threads.
    executor: Option<Arc<Executor>>,
}

impl PollRuntime {
    /// A thread for each task.
    #[must_use]
    pub fn threads() -> PollRuntime {
        PollRuntime { executor: None }
    }

    pub(crate) fn stepped(executor: Arc<Executor>) -> PollRuntime {
        let executor = Some(executor);
        PollRuntime { executor }
    }

    pub(crate) fn has_threads(&self) -> bool {
        self.executor.is_none()
    }
}

impl Runtime for PollRuntime {
    type Stream = Socket;
    type Listener = Listener;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        Sleep::until(uptime() + duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.executor {
            Some(executor) => executor.spawn(task),
            None => {
                let thread = thread::Builder::new().name("unbroken task".into());
                // If the system has no thread, whoever waits for the task learns that it was dropped.
                let _no_thread = thread.spawn(move || block_on(task));
            }
        }
    }

    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Socket>> + Send + 'static {
        let host = host.to_owned();
        async move {
            let mut failed = io::Error::new(io::ErrorKind::NotFound, "a name without an address");
            for address in look_up(host, port).await? {
                match Socket::connect(address).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        }
    }

    fn accept(&self, listener: &Listener) -> impl Future<Output = io::Result<(Socket, Option<IpAddr>)>> + Send {
        listener.accept()
    }
}

async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    static PLACES: OnceLock<Places> = OnceLock::new();
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let places = PLACES.get_or_init(|| Places::new(LOOKUPS));
    let found = places.call(move || (host, port).to_socket_addrs());
    Ok(found.await??.collect())
}

/// Calls that block, on threads of their own, no more than so many at once.
pub(crate) struct Places {
    /// Held by each call until it returns, whether somebody still waits for it or not.
    held: Arc<()>,
    most: usize,
}

impl Places {
    pub(crate) fn new(most: usize) -> Places {
        let held = Arc::new(());
        Places { held, most }
    }

    /// Begins `call`, and is ready with what it returns; an error if there is no place or no thread for it, or it
    /// panicked.
    pub(crate) fn call<T, F>(&self, call: F) -> impl Future<Output = io::Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = Arc::clone(&self.held);
        let (answer, answered) = oneshot::channel();
        let begun = match Arc::strong_count(&place) > self.most + 1 {
            true => Err(io::Error::other("too many calls that block are under way")),
            false => thread::Builder::new().name("unbroken call".into()).spawn(move || {
                let _nobody_waits = answer.send(call());
                drop(place);
            }),
        };
        async move {
            begun?;
            answered.await.map_err(|_| io::Error::other("the call panicked"))
        }
    }
}
