//! The accepting side.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use smol::Task;
use smol::net::TcpListener;
use unbroken_carriers::Acceptor;
use unbroken_driver::{Broadcaster, Connected, Established, FuturesIo, Gate, ServerHandle};
use unbroken_proto::ServerConfig;
use unbroken_proto::server::{LagPolicy, Placement, Refusal, Request};
use unbroken_proto::stream::StreamOptions;

/// How long accepting rests when the system refuses (out of file handles).
const REST: Duration = Duration::from_millis(50);

/// Accepts sessions, from any number of listeners, and resumes them on whichever the client comes back. A
/// [`ServerHandle`], whose methods it has.
///
/// Dropping it stops its listeners: sessions that were accepted live on with their handles, but no new
/// connection reaches them.
pub struct Server {
    gate: Gate,
    listeners: Mutex<Vec<Task<()>>>,
}

impl Server {
    /// A server that lets in everyone the configuration's [`ServerAuth`](crate::proto::security::ServerAuth) does.
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy.
    pub fn new(config: ServerConfig) -> io::Result<Server> {
        Server::with_authorise(config, |_request| std::future::ready(Ok(())))
    }

    /// A server that asks `authorise` about every proven client: whom to refuse, and whose session it is that is
    /// let in ([`Placement`]; `()` if there is nothing to add). The decision must come within the handshake
    /// timeout.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn with_authorise<A, F, P>(config: ServerConfig, authorise: A) -> io::Result<Server>
    where
        A: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<P, Refusal>> + Send + 'static,
        P: Into<Placement>,
    {
        let gate = Gate::new(config, authorise, crate::timer)?;
        smol::spawn(Arc::clone(gate.handle()).housekeeping()).detach();
        Ok(Server {
            gate,
            listeners: Mutex::default(),
        })
    }

    /// Accepts TCP connections on `listener` until [`stop_listening`](Server::stop_listening).
    pub fn listen_tcp(&self, listener: TcpListener) {
        self.listen(listener, Acceptor::tcp());
    }

    /// Accepts WebSocket connections on `listener` until [`stop_listening`](Server::stop_listening).
    pub fn listen_ws(&self, listener: TcpListener) {
        self.listen(listener, Acceptor::websocket());
    }

    /// Accepts connections on `listener`, through `acceptor`, until [`stop_listening`](Server::stop_listening).
    pub fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        let handle = Arc::clone(self.gate.handle());
        let task = smol::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) if stream.set_nodelay(true).is_ok() => {
                        let accepted = acceptor
                            .accept(FuturesIo::new(stream))
                            .from_peer(handle.peer_key(peer.ip()));
                        smol::spawn(Arc::clone(&handle).serve(accepted)).detach();
                    }
                    Ok(_) => {}
                    Err(_) => drop(smol::Timer::after(REST).await),
                }
            }
        });
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Closes all listeners; connections that were accepted are not touched.
    pub async fn stop_listening(&self) {
        let listeners = std::mem::take(&mut *self.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        for listener in listeners {
            listener.cancel().await;
        }
    }

    /// Takes a connection that was accepted some other way.
    pub fn serve(&self, accepted: Connected) {
        smol::spawn(Arc::clone(self.gate.handle()).serve(accepted)).detach();
    }

    /// The handle, to be kept by tasks of its own.
    #[must_use]
    pub fn handle(&self) -> Arc<ServerHandle> {
        Arc::clone(self.gate.handle())
    }

    /// For one message to many sessions: see [`ServerHandle::broadcaster`].
    #[must_use]
    pub fn broadcaster(&self, options: StreamOptions, backlog: usize, lag_policy: LagPolicy) -> Broadcaster {
        self.gate.handle().broadcaster(options, backlog, lag_policy)
    }

    /// The next session to be established. Cancel safe.
    pub async fn accept(&mut self) -> Established {
        self.gate.accept().await
    }
}

impl Deref for Server {
    type Target = ServerHandle;

    fn deref(&self) -> &ServerHandle {
        self.gate.handle()
    }
}
