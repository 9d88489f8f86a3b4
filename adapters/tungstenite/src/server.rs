//! The accepting side: a thread for each connection and each session.

mod acceptor;
mod house;
mod listener;
mod visit;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use unbroken_proto::server::{
    Drain, DrainStatus, EndedSession, Placement, Refusal, Registry, Request, Select, SessionCommand, SessionInfo,
};
use unbroken_proto::{Duration, Instant, ServerConfig};

use crate::failure::invalid;
use crate::session::Session;
use crate::shared::{limit, lock};
use crate::wire::Wire;

use house::House;
use listener::{Acceptor, Listener};

/// Sessions at most, each a thread, unless [`ServerConfig::max_sessions`] says fewer.
pub const MAX_SESSIONS: usize = 4_096;
/// Connections that have said nothing, and handshakes, at most, each a thread, unless the configuration says fewer.
pub const MAX_UNPROVEN: usize = 512;

/// An established session, and what its client asked for and proved.
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// Who it is with.
    pub request: Request,
}

/// Accepts sessions, from any number of listeners, and resumes them on whichever the client comes back.
///
/// A connection gets a thread. If it begins a session, that thread drives the session to its end; if it resumes one,
/// it hands its socket to that session's thread and ends. Bounds: [`MAX_SESSIONS`], [`MAX_UNPROVEN`].
///
/// Dropping it stops its listeners: sessions that were accepted live on with their handles, but no new connection
/// reaches them.
pub struct Server {
    house: Arc<House>,
    listeners: Mutex<Vec<Listener>>,
}

impl Server {
    /// A server that lets in everyone the configuration's [`ServerAuth`](unbroken_proto::security::ServerAuth) does.
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
    pub fn with_authorise<A, P>(mut config: ServerConfig, authorise: A) -> io::Result<Server>
    where
        A: Fn(&Request) -> Result<P, Refusal> + Send + Sync + 'static,
        P: Into<Placement>,
    {
        config.max_sessions = config.max_sessions.min(MAX_SESSIONS);
        config.max_silent = config.max_silent.min(MAX_UNPROVEN);
        config.max_handshakes = config.max_handshakes.min(MAX_UNPROVEN);
        let authorise = Box::new(move |request: &Request| authorise(request).map(P::into));
        let house = House::new(config, crate::fresh_seed()?, authorise).map_err(invalid)?;
        house.keep()?;
        Ok(Server {
            house,
            listeners: Mutex::default(),
        })
    }

    /// Accepts TCP connections on `listener` until [`stop_listening`](Self::stop_listening).
    ///
    /// # Errors
    /// As the system says.
    pub fn listen_tcp(&self, listener: TcpListener) -> io::Result<()> {
        self.listen(listener, Arc::new(acceptor::tcp))
    }

    /// Accepts WebSocket connections on `listener` until [`stop_listening`](Self::stop_listening).
    ///
    /// # Errors
    /// As the system says.
    pub fn listen_ws(&self, listener: TcpListener) -> io::Result<()> {
        self.listen(listener, Arc::new(acceptor::websocket))
    }

    /// As [`listen_tcp`](Self::listen_tcp), inside TLS.
    ///
    /// # Errors
    /// As the system says.
    #[cfg(feature = "tls")]
    pub fn listen_tls(&self, listener: TcpListener, tls: crate::TlsServer) -> io::Result<()> {
        self.listen(listener, Arc::new(move |stream| acceptor::tls(&tls, stream)))
    }

    /// As [`listen_ws`](Self::listen_ws), inside TLS: for clients of a `wss://` address.
    ///
    /// # Errors
    /// As the system says.
    #[cfg(feature = "tls")]
    pub fn listen_wss(&self, listener: TcpListener, tls: crate::TlsServer) -> io::Result<()> {
        self.listen(listener, Arc::new(move |stream| acceptor::wss(&tls, stream)))
    }

    fn listen(&self, listener: TcpListener, acceptor: Acceptor) -> io::Result<()> {
        let listener = Listener::start(Arc::clone(&self.house), listener, acceptor)?;
        lock(&self.listeners).push(listener);
        Ok(())
    }

    /// Closes all listeners, and no connection.
    pub fn stop_listening(&self) {
        lock(&self.listeners).clear();
    }

    /// Takes a connection that was accepted some other way.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn serve(&self, wire: Wire) -> io::Result<()> {
        Arc::clone(&self.house).serve(wire)
    }

    /// The next session to be established.
    #[must_use]
    pub fn accept(&self) -> Accepted {
        loop {
            if let Some(accepted) = self.house.next(None) {
                return accepted;
            }
        }
    }

    /// The same, no longer than `within`; `None`: there was none.
    #[must_use]
    pub fn accept_within(&self, within: Duration) -> Option<Accepted> {
        self.house.next(limit(Some(within)))
    }

    /// The registry, for a moment: for whatever has no method here. `visit` gets the present instant too; it must not
    /// block, nor call the server. Orders reach their sessions before this returns.
    pub fn registry<T>(&self, visit: impl FnOnce(&mut Registry, Instant) -> T) -> T {
        self.house.registry(visit)
    }

    /// The established sessions, in the order of their ids.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.registry(|registry, _| registry.sessions().collect())
    }

    /// Closes, aborts, moves or prolongs the sessions that `select` means; returns how many are told.
    pub fn command(&self, select: Select<'_>, order: &SessionCommand) -> usize {
        self.registry(|registry, now| registry.command(now, select, order))
    }

    /// Begins to drain ([`Registry::drain`]) and waits until no session is left or the plan's time is over; returns
    /// what remains then, which is the host's to close. `None`: somebody stopped the drain.
    pub fn drain(&self, plan: Drain) -> Option<DrainStatus> {
        self.registry(|registry, now| registry.drain(now, plan));
        self.house.drained()
    }

    /// The next session that is over, each exactly once, whichever way it ended: hang clean-up on it. No longer than
    /// `within`; `None`: there was none. From the first call on what is not asked for waits, and uses room of
    /// `max_sessions`; before, ended sessions are dropped.
    #[must_use]
    pub fn ended_within(&self, within: Duration) -> Option<EndedSession> {
        self.house.ended(limit(Some(within)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_listening();
        self.house.shut_down();
    }
}
