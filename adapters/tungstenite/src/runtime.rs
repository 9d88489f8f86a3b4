//! The driver's runtime on plain threads, or in a poll loop.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Weak};
use std::thread;

use futures_channel::oneshot;
use unbroken_driver::{ConnectError, Connected, Connector, Runtime, uptime};
use unbroken_proto::{Duration, ReconnectIntent};

use crate::executor::{Executor, block_on};
use crate::reactor::Sleep;
use crate::socket::Socket;

/// Names that are looked up at once in a process; beyond, a dial fails and is tried again later.
const LOOKUPS: usize = 64;
/// Calls of a [`blocking`] connector at once, those that nobody waits for any more among them.
const CALLS: usize = 4;

/// What runs tasks: each on a thread of its own, which is the default, or all in a poll loop
/// ([`Stepper::runtime`](crate::Stepper::runtime)). Whichever polls a socket waits for it.
#[derive(Clone, Debug, Default)]
pub struct PollRuntime {
    /// A poll loop's. A weak one: tasks hold runtimes, and the executor its tasks.
    pub(crate) executor: Option<Weak<Executor>>,
}

impl Runtime for PollRuntime {
    type Stream = Socket;
    type Listener = Socket<TcpListener>;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        Sleep::until(uptime() + duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(executor) = &self.executor else {
            let thread = thread::Builder::new().name("unbroken task".into());
            // Without a thread the task is dropped, of which whoever waits for it learns.
            let _dropped = thread.spawn(move || block_on(task));
            return;
        };
        if let Some(executor) = executor.upgrade() {
            executor.spawn(task);
        }
    }

    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        look_up(host.to_owned(), port)
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Socket>> + Send + 'static {
        Socket::connect(address)
    }

    fn accept(
        &self,
        listener: &Socket<TcpListener>,
    ) -> impl Future<Output = io::Result<(Socket, Option<IpAddr>)>> + Send {
        listener.accept()
    }
}

async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    static PLACES: LazyLock<Arc<()>> = LazyLock::new(Arc::default);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = on_a_thread(&PLACES, LOOKUPS, move || {
        loop {
            match (&*host, port).to_socket_addrs() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                found => return found,
            }
        }
    })
    .await?;
    Ok(found?.collect())
}

/// A connector out of a call that blocks, on a thread of its own. One that outlives its intent's deadline is for nothing,
/// and holds one of four places until it returns; while none is free, dials fail.
pub fn blocking<F>(dial: F) -> impl Connector
where
    F: Fn(&ReconnectIntent) -> Result<Connected, ConnectError> + Send + Sync + 'static,
{
    let (places, dial) = (Arc::default(), Arc::new(dial));
    move |intent: ReconnectIntent| {
        let dial = Arc::clone(&dial);
        let dialled = on_a_thread(&places, CALLS, move || dial(&intent));
        async move { dialled.await? }
    }
}

/// What `call` returns, which has begun; an error if there is no thread for it, or it panicked. Each call holds one of
/// `most` places until it returns, whether somebody still waits for it or not.
fn on_a_thread<T, F>(places: &Arc<()>, most: usize, call: F) -> impl Future<Output = io::Result<T>> + use<T, F>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let place = Arc::clone(places);
    let (answer, answered) = oneshot::channel();
    let begun = match Arc::strong_count(&place) > most + 1 {
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
