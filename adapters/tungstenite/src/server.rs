//! The accepting side.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use unbroken_carriers::{Acceptor, StartError};
use unbroken_driver::{Connected, ServerHandle};
use unbroken_proto::server::{Placement, Refusal, Request};
use unbroken_proto::{Duration, ServerConfig};

use crate::executor::{block_on, block_on_within};
use crate::runtime::PollRuntime;
use crate::session::Session;
use crate::socket::Socket;

/// Sessions at most where each is a thread, unless [`ServerConfig::max_sessions`] says fewer.
pub const MAX_SESSIONS: usize = 4_096;
/// Connections that have said nothing, and handshakes, at most in the same way.
pub const MAX_UNPROVEN: usize = 512;

/// An established session, and what its client asked for and proved.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// Who it is with.
    pub request: Request,
}

/// Accepts sessions, from any number of listeners, and resumes them on whichever the client comes back. Its
/// [handle](Server::handle) lists sessions, commands them, drains them, and cleans up after them.
///
/// Dropping it closes its listeners: sessions that were accepted live on with their handles, but no new connection
/// reaches them.
#[derive(Debug)]
pub struct Server {
    inner: unbroken_carriers::Server<PollRuntime>,
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
    pub fn with_authorise<A, P>(mut config: ServerConfig, authorise: A) -> Result<Server, StartError>
    where
        A: Fn(&Request) -> Result<P, Refusal> + Send + Sync + 'static,
        P: Into<Placement> + Send + 'static,
    {
        config.max_sessions = config.max_sessions.min(MAX_SESSIONS);
        config.max_silent = config.max_silent.min(MAX_UNPROVEN);
        config.max_handshakes = config.max_handshakes.min(MAX_UNPROVEN);
        Server::with_runtime(PollRuntime::default(), config, authorise)
    }

    /// The same, on `runtime`. In a poll loop `authorise` must not block.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn with_runtime<A, P>(runtime: PollRuntime, config: ServerConfig, authorise: A) -> Result<Server, StartError>
    where
        A: Fn(&Request) -> Result<P, Refusal> + Send + Sync + 'static,
        P: Into<Placement> + Send + 'static,
    {
        let authorise = move |request| std::future::ready(authorise(&request));
        let inner = unbroken_carriers::Server::with_runtime(runtime, config, authorise)?;
        Ok(Server { inner })
    }

    /// Accepts connections on `listener`, through `acceptor`, until [`stop_listening`](Self::stop_listening) or the
    /// server's end.
    ///
    /// # Errors
    /// As the system says.
    pub fn listen(&self, listener: TcpListener, acceptor: Acceptor) -> io::Result<()> {
        self.inner.listen(Socket::new(listener)?, acceptor);
        Ok(())
    }

    /// Closes all listeners, and no connection; waits until they are closed, no longer than `within`.
    pub fn stop_listening(&self, within: impl Into<Option<Duration>>) {
        let _not_yet = block_on_within(within, self.inner.stop_listening());
    }

    /// Takes a connection that was accepted some other way.
    pub fn serve(&self, accepted: Connected) {
        self.inner.serve(accepted);
    }

    /// The next session to be established. Any number of threads may accept.
    #[must_use]
    pub fn accept(&self) -> Accepted {
        block_on(self.handle().accept()).into()
    }

    /// The same, no longer than `within`; `None`: there was none.
    #[must_use]
    pub fn accept_within(&self, within: Duration) -> Option<Accepted> {
        block_on_within(within, self.handle().accept()).map(Accepted::from)
    }

    /// The driver's handle of this server, whose calls that wait take [`block_on`] or [`block_on_within`].
    #[must_use]
    pub fn handle(&self) -> &Arc<ServerHandle> {
        self.inner.handle()
    }
}

impl From<unbroken_driver::Accepted> for Accepted {
    fn from(accepted: unbroken_driver::Accepted) -> Accepted {
        Accepted {
            session: accepted.session.into(),
            request: accepted.request,
        }
    }
}
