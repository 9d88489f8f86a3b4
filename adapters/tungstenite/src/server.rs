//! The accepting side.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use unbroken_carriers::{Acceptor, StartError};
use unbroken_driver::{Connected, ServerHandle};
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

/// An established session, and what its client asked for and proved.
#[derive(Debug)]
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// Who it is with.
    pub request: Request,
}

/// Accepts sessions, from any number of listeners, and resumes them on whichever the client comes back: the
/// [generic server](unbroken_carriers::Server), in calls that block. What does not wait is the [handle](Server::handle)'s: to
/// list sessions, order about, tell all of them something.
///
/// Dropping it stops its listeners: sessions that were accepted live on with their handles, but no new connection
/// reaches them.
#[derive(Debug)]
pub struct Server {
    inner: unbroken_carriers::Server<PollRuntime>,
    /// Held by the thread that accepts.
    accepting: Mutex<()>,
}

impl Server {
    /// A server that lets in everyone the configuration's [`ServerAuth`](unbroken_proto::security::ServerAuth) does, and
    /// has a thread for each connection.
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy.
    pub fn new(config: ServerConfig) -> Result<Server, StartError> {
        Server::with_authorise(config, |_request| Ok(()))
    }

    /// A server that asks `authorise` about every proven client: whom to refuse, and whose session it is that is let
    /// in ([`Placement`]; `()` if there is nothing to add). It is called on the connection's thread and may block; the
    /// decision must come within the handshake timeout.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn with_authorise<A, P>(config: ServerConfig, authorise: A) -> Result<Server, StartError>
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
    pub fn on<A, P>(runtime: &PollRuntime, mut config: ServerConfig, authorise: A) -> Result<Server, StartError>
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
        let inner = unbroken_carriers::Server::with_runtime(runtime.clone(), config, authorise)?;
        Ok(Server {
            inner,
            accepting: Mutex::default(),
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
        self.inner.listen(Listener::new(listener)?, acceptor);
        Ok(())
    }

    /// Closes all listeners, and no connection; waits until they are closed.
    pub fn stop_listening(&self) {
        block_on(self.inner.stop_listening());
    }

    /// The same, and waits no longer than `within`; false: they are not all closed yet, but will be.
    pub fn stop_listening_within(&self, within: Duration) -> bool {
        block_on_within(within, self.inner.stop_listening()).is_some()
    }

    /// Takes a connection that was accepted some other way.
    pub fn serve(&self, accepted: Connected) {
        self.inner.serve(accepted);
    }

    /// The next session to be established.
    #[must_use]
    pub fn accept(&self) -> Accepted {
        let _turn = lock(&self.accepting);
        Accepted::from(block_on(self.handle().accept()))
    }

    /// The same, no longer than `within`; `None`: there was none.
    #[must_use]
    pub fn accept_within(&self, within: Duration) -> Option<Accepted> {
        let _turn = lock(&self.accepting);
        block_on_within(within, self.handle().accept()).map(Accepted::from)
    }

    /// The driver's handle of this server.
    #[must_use]
    pub fn handle(&self) -> &Arc<ServerHandle> {
        self.inner.handle()
    }

    /// Begins to drain ([`ServerHandle::drain`]) and waits until no session is left or the plan's time is over; returns
    /// what remains then, which is the host's to close. `None`: somebody stopped the drain.
    pub fn drain(&self, plan: Drain) -> Option<DrainStatus> {
        block_on(self.handle().drain(plan))
    }

    /// The next session that is over, each exactly once, whichever way it ended: hang clean-up on it. No longer than
    /// `within`; `None`: there was none. See [`ServerHandle::ended`].
    #[must_use]
    pub fn ended_within(&self, within: Duration) -> Option<EndedSession> {
        block_on_within(within, self.handle().ended())
    }
}

impl From<unbroken_driver::Accepted> for Accepted {
    fn from(accepted: unbroken_driver::Accepted) -> Accepted {
        Accepted {
            session: Session::from(accepted.session),
            request: accepted.request,
        }
    }
}
