//! The accepting side.

use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_channel::mpsc;
use futures_core::Stream as _;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};
use unbroken_carriers::Acceptor;
use unbroken_driver::{Broadcaster, Connected, Established, ServerHandle, Verdict, fresh_seed};
use unbroken_proto::ServerConfig;
use unbroken_proto::server::{LagPolicy, Placement, Refusal, Request};
use unbroken_proto::stream::StreamOptions;

use crate::{Compat, Session};

/// How long accepting rests when the system refuses (out of file handles).
const REST: Duration = Duration::from_millis(50);

/// An established session, and what its client asked for and proved.
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// Who it is with.
    pub request: Request,
}

/// Accepts sessions, from any number of listeners, and resumes them on whichever the client comes back.
/// A [`ServerHandle`], whose methods it has: to list sessions, order about, drain, and clean up after them.
///
/// Dropping it stops its listeners and refuses further resumes of none: sessions that were accepted
/// live on with their handles, but no new connection reaches them.
pub struct Server {
    handle: Arc<ServerHandle>,
    backlog: mpsc::Receiver<Established>,
    listeners: Mutex<Vec<AbortHandle>>,
}

impl Server {
    /// A server that lets in everyone the configuration's [`ServerAuth`](crate::proto::security::ServerAuth) does.
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy.
    pub fn new(config: ServerConfig) -> io::Result<Server> {
        Server::with_authorise(config, |_request| std::future::ready(Ok(())))
    }

    /// A server that asks `authorise` about every proven client: whom to refuse, and whose session it is
    /// that is let in ([`Placement`]; `()` if there is nothing to add). The decision must come within
    /// the handshake timeout.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn with_authorise<A, F, P>(config: ServerConfig, authorise: A) -> io::Result<Server>
    where
        A: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<P, Refusal>> + Send + 'static,
        P: Into<Placement>,
    {
        let authorise = Box::new(move |request| -> Verdict {
            let decision = authorise(request);
            Box::pin(async move { decision.await.map(P::into) })
        });
        let timer = Box::new(|| -> Box<dyn unbroken_driver::Timer> { Box::new(crate::timer()) });
        let (handle, backlog) = ServerHandle::new(config, fresh_seed()?, authorise, timer).map_err(crate::invalid)?;
        tokio::spawn(Arc::clone(&handle).housekeeping());
        Ok(Server {
            handle,
            backlog,
            listeners: Mutex::default(),
        })
    }

    /// Accepts TCP connections on `listener` until the returned task is aborted or the server dropped.
    pub fn listen_tcp(&self, listener: TcpListener) -> JoinHandle<()> {
        self.listen(listener, Acceptor::tcp())
    }

    /// Accepts WebSocket connections on `listener` until the returned task is aborted or the server dropped.
    pub fn listen_ws(&self, listener: TcpListener) -> JoinHandle<()> {
        self.listen(listener, Acceptor::websocket())
    }

    /// Accepts connections on `listener`, through `acceptor`, until the returned task is aborted or the server dropped.
    pub fn listen(&self, listener: TcpListener, acceptor: Acceptor) -> JoinHandle<()> {
        let handle = Arc::clone(&self.handle);
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        if stream.set_nodelay(true).is_ok() {
                            let accepted = acceptor.accept(Compat(stream)).from_peer(handle.peer_key(peer.ip()));
                            tokio::spawn(Arc::clone(&handle).serve(accepted));
                        }
                    }
                    Err(_) => tokio::time::sleep(REST).await,
                }
            }
        });
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.is_finished());
        listeners.push(task.abort_handle());
        task
    }

    /// Takes a connection that was accepted some other way.
    pub fn serve(&self, accepted: Connected) {
        tokio::spawn(Arc::clone(&self.handle).serve(accepted));
    }

    /// The next session to be established. Cancel safe.
    pub async fn accept(&mut self) -> Accepted {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        match Pin::new(&mut self.backlog).poll_next(cx) {
            Poll::Ready(Some(Established { session, request })) => Poll::Ready(Accepted {
                session: Session::new(session),
                request,
            }),
            // The handle holds a sender as long as the server holds the handle.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// The handle, to be kept by tasks of its own: for [`ServerHandle::ended`], say.
    #[must_use]
    pub fn handle(&self) -> Arc<ServerHandle> {
        Arc::clone(&self.handle)
    }

    /// For one message to many sessions: see [`ServerHandle::broadcaster`].
    #[must_use]
    pub fn broadcaster(&self, options: StreamOptions, backlog: usize, lag_policy: LagPolicy) -> Broadcaster {
        self.handle.broadcaster(options, backlog, lag_policy)
    }
}

impl Deref for Server {
    type Target = ServerHandle;

    fn deref(&self) -> &ServerHandle {
        &self.handle
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let listeners = self.listeners.get_mut().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(AbortHandle::abort);
        self.handle.shut_down();
    }
}
