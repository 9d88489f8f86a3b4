//! The accepting side.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_channel::oneshot;
use unbroken_carriers::Acceptor;
use unbroken_driver::{Connected, Established, Gate, Runtime, RuntimeTimer, ServerHandle};
use unbroken_proto::server::{Drain, DrainStatus, EndedSession, Placement, Refusal, Request};
use unbroken_proto::{Duration, ServerConfig};

use crate::executor::{block_on, block_on_within};
use crate::runtime::PollRuntime;
use crate::session::Session;
use crate::socket::Listener;
use crate::source::lock;

/// Sessions at most where each is a thread, unless [`ServerConfig::max_sessions`] says fewer.
pub const MAX_SESSIONS: usize = 4_096;
/// Connections that have said nothing, and handshakes, at most where each is a thread, unless the configuration says
/// fewer.
pub const MAX_UNPROVEN: usize = 512;
/// How long accepting rests when the system refuses (it is out of descriptors, or of threads).
const REST: Duration = Duration::from_millis(50);

/// An established session, and what its client asked for and proved.
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// Who it is with.
    pub request: Request,
}

/// Accepts sessions, from any number of listeners, and resumes them on whichever the client comes back. What does not
/// wait is the [handle](Server::handle)'s: to list sessions, order about, tell all of them something.
///
/// Dropping it stops its listeners: sessions that were accepted live on with their handles, but no new connection
/// reaches them.
pub struct Server {
    runtime: PollRuntime,
    handle: Arc<ServerHandle>,
    gate: Mutex<Gate>,
    listeners: Mutex<Vec<Listening>>,
}

/// A task that listens.
struct Listening {
    /// Dropped: it is to end.
    _stop: oneshot::Sender<Infallible>,
    /// Ends when the socket is closed.
    closed: oneshot::Receiver<Infallible>,
}

impl Server {
    /// A server that lets in everyone the configuration's [`ServerAuth`](unbroken_proto::security::ServerAuth) does, and
    /// has a thread for each connection.
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy, or no thread.
    pub fn new(config: ServerConfig) -> io::Result<Server> {
        Server::with_authorise(config, |_request| Ok(()))
    }

    /// A server that asks `authorise` about every proven client: whom to refuse, and whose session it is that is let
    /// in ([`Placement`]; `()` if there is nothing to add). It is called on the connection's thread and may block; the
    /// decision must come within the handshake timeout.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn with_authorise<A, P>(config: ServerConfig, authorise: A) -> io::Result<Server>
    where
        A: Fn(&Request) -> Result<P, Refusal> + Send + Sync + 'static,
        P: Into<Placement>,
    {
        Server::on(&PollRuntime::threads(), config, authorise)
    }

    /// The same, on `runtime`. In a poll loop `authorise` must not block.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn on<A, P>(runtime: &PollRuntime, mut config: ServerConfig, authorise: A) -> io::Result<Server>
    where
        A: Fn(&Request) -> Result<P, Refusal> + Send + Sync + 'static,
        P: Into<Placement>,
    {
        if runtime.has_threads() {
            config.max_sessions = config.max_sessions.min(MAX_SESSIONS);
            config.max_silent = config.max_silent.min(MAX_UNPROVEN);
            config.max_handshakes = config.max_handshakes.min(MAX_UNPROVEN);
        }
        let authorise = move |request: Request| std::future::ready(authorise(&request).map(P::into));
        let timer = || RuntimeTimer::new(PollRuntime::threads());
        let gate = Gate::new(config, authorise, timer)?;
        let handle = Arc::clone(gate.handle());
        runtime.try_spawn(Arc::clone(&handle).housekeeping())?;
        Ok(Server {
            runtime: runtime.clone(),
            handle,
            gate: Mutex::new(gate),
            listeners: Mutex::default(),
        })
    }

    /// Accepts TCP connections on `listener` until [`stop_listening`](Self::stop_listening).
    ///
    /// # Errors
    /// As the system says.
    pub fn listen_tcp(&self, listener: TcpListener) -> io::Result<()> {
        self.listen(listener, Acceptor::tcp())
    }

    /// Accepts WebSocket connections on `listener` until [`stop_listening`](Self::stop_listening).
    ///
    /// # Errors
    /// As the system says.
    pub fn listen_ws(&self, listener: TcpListener) -> io::Result<()> {
        self.listen(listener, Acceptor::websocket())
    }

    /// Accepts connections on `listener`, through `acceptor` (TLS, a look at each upgrade), until
    /// [`stop_listening`](Self::stop_listening).
    ///
    /// # Errors
    /// As the system says.
    pub fn listen(&self, listener: TcpListener, acceptor: Acceptor) -> io::Result<()> {
        let listener = Listener::new(listener)?;
        let (runtime, handle) = (self.runtime.clone(), Arc::clone(&self.handle));
        let (stop, stopped) = oneshot::channel();
        let (closing, closed) = oneshot::channel();
        self.runtime.try_spawn(async move {
            accept_until(stopped, &runtime, &handle, listener, &acceptor).await;
            drop::<oneshot::Sender<Infallible>>(closing);
        })?;
        lock(&self.listeners).push(Listening { _stop: stop, closed });
        Ok(())
    }

    /// Closes all listeners, and no connection; waits until they are closed.
    pub fn stop_listening(&self) {
        block_on(self.closing());
    }

    /// The same, and waits no longer than `within`; false: they are not all closed yet, but will be.
    pub fn stop_listening_within(&self, within: Duration) -> bool {
        block_on_within(within, self.closing()).is_some()
    }

    fn closing(&self) -> impl Future<Output = ()> + use<> {
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        // All are told before one is waited for.
        let closing: Vec<_> = listeners.into_iter().map(|listening| listening.closed).collect();
        async move {
            for closed in closing {
                let _closed = closed.await;
            }
        }
    }

    /// Takes a connection that was accepted some other way.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn serve(&self, accepted: Connected) -> io::Result<()> {
        self.runtime.try_spawn(Arc::clone(&self.handle).serve(accepted))
    }

    /// The next session to be established.
    #[must_use]
    pub fn accept(&self) -> Accepted {
        let mut gate = lock(&self.gate);
        Accepted::from(block_on(gate.accept()))
    }

    /// The same, no longer than `within`; `None`: there was none.
    #[must_use]
    pub fn accept_within(&self, within: Duration) -> Option<Accepted> {
        let mut gate = lock(&self.gate);
        block_on_within(within, gate.accept()).map(Accepted::from)
    }

    /// The driver's handle of this server.
    #[must_use]
    pub fn handle(&self) -> &Arc<ServerHandle> {
        &self.handle
    }

    /// Begins to drain ([`ServerHandle::drain`]) and waits until no session is left or the plan's time is over; returns
    /// what remains then, which is the host's to close. `None`: somebody stopped the drain.
    pub fn drain(&self, plan: Drain) -> Option<DrainStatus> {
        block_on(self.handle.drain(plan))
    }

    /// The next session that is over, each exactly once, whichever way it ended: hang clean-up on it. No longer than
    /// `within`; `None`: there was none. See [`ServerHandle::ended`].
    #[must_use]
    pub fn ended_within(&self, within: Duration) -> Option<EndedSession> {
        block_on_within(within, self.handle.ended())
    }
}

impl From<Established> for Accepted {
    fn from(established: Established) -> Accepted {
        Accepted {
            session: Session::from(established.session),
            request: established.request,
        }
    }
}

/// Accepts until `stopped` is ready, then closes the listener.
async fn accept_until(
    mut stopped: oneshot::Receiver<Infallible>,
    runtime: &PollRuntime,
    handle: &Arc<ServerHandle>,
    listener: Listener,
    acceptor: &Acceptor,
) {
    loop {
        match unless(&mut stopped, runtime.accept(&listener)).await {
            None => return,
            Some(Ok((stream, origin))) => {
                let mut accepted = acceptor.accept(stream);
                if let Some(origin) = origin {
                    accepted = accepted.from_peer(handle.peer_key(origin));
                }
                runtime.spawn(Arc::clone(handle).serve(accepted));
            }
            Some(Err(_)) => {
                unless(&mut stopped, runtime.sleep(REST)).await;
            }
        }
    }
}

/// The output of `future`, or `None` once `stopped` is ready.
async fn unless<T>(stopped: &mut oneshot::Receiver<Infallible>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match Pin::new(&mut *stopped).poll(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
}
