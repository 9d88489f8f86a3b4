//! The accepting end of sessions, on any runtime.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use unbroken_driver::proto::server::{LagPolicy, Placement, Refusal, Request};
use unbroken_driver::proto::stream::StreamOptions;
use unbroken_driver::proto::{Duration, ServerConfig};
use unbroken_driver::{Accepted, Broadcaster, Budget, Connected, Runtime, ServerHandle, Verdict};

use crate::acceptor::Acceptor;
use crate::error::StartError;

/// How long a listener rests when the system refuses to accept (it is out of file handles).
const REST: Duration = Duration::from_millis(50);

/// Accepts sessions, from any number of listeners, and resumes them on whichever the client comes back. Its
/// [`handle`](Server::handle) lists sessions, commands them, drains them, and cleans up after them.
///
/// Dropping it closes its listeners: sessions that were accepted live on with their handles, but no new connection
/// reaches them.
///
/// ```no_run
/// # async fn run<R: unbroken_driver::Runtime + Default>(listener: R::Listener) -> Result<(), Box<dyn std::error::Error>> {
/// use unbroken_carriers::Server;
/// use unbroken_driver::proto::{ServerConfig, security::ServerAuth};
/// let mut server = Server::<R>::new(ServerConfig::new(ServerAuth::anonymous()))?;
/// server.listen_ws(listener);
/// loop {
///     let accepted = server.accept().await;
///     println!("{} of {}", accepted.request.name, server.handle().sessions().len());
/// }
/// # }
/// ```
pub struct Server<R> {
    runtime: R,
    handle: Arc<ServerHandle>,
    listeners: Mutex<Vec<Listening>>,
}

/// A listener's task. Both channels are only ever closed, never sent on.
struct Listening {
    /// Dropping it stops the task.
    stop: oneshot::Sender<Infallible>,
    /// Ready once the task is over and its listener closed.
    over: oneshot::Receiver<Infallible>,
}

impl<R: Runtime + Default> Server<R> {
    /// A server that lets in everyone the configuration's
    /// [`ServerAuth`](unbroken_driver::proto::security::ServerAuth) does.
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy.
    pub fn new(config: ServerConfig) -> Result<Server<R>, StartError> {
        Server::with_authorise(config, |_request| std::future::ready(Ok(())))
    }

    /// A server that asks `authorise` about every proven client: whom to refuse, and whose session it is that is let in
    /// ([`Placement`]; `()` if there is nothing to add). The decision must come within the handshake timeout.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn with_authorise<A, F, P>(config: ServerConfig, authorise: A) -> Result<Server<R>, StartError>
    where
        A: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<P, Refusal>> + Send + 'static,
        P: Into<Placement>,
    {
        Server::with_runtime(R::default(), config, authorise)
    }
}

impl<R: Runtime> Server<R> {
    /// As [`with_authorise`](Server::with_authorise), on `runtime`.
    ///
    /// # Errors
    /// As [`new`](Server::new).
    pub fn with_runtime<A, F, P>(runtime: R, config: ServerConfig, authorise: A) -> Result<Server<R>, StartError>
    where
        A: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<P, Refusal>> + Send + 'static,
        P: Into<Placement>,
    {
        let authorise = Box::new(move |request| -> Verdict {
            let decision = authorise(request);
            Box::pin(async move { decision.await.map(P::into) })
        });
        let seed = runtime.seed().map_err(StartError::Entropy)?;
        let handle = ServerHandle::new(&runtime, config, seed, authorise)?;
        runtime.spawn(Arc::clone(&handle).run_timers());
        Ok(Server {
            runtime,
            handle,
            listeners: Mutex::default(),
        })
    }

    /// Accepts TCP connections on `listener`: [`listen`](Server::listen) with [`Acceptor::tcp`].
    pub fn listen_tcp(&self, listener: R::Listener) {
        self.listen(listener, Acceptor::tcp());
    }

    /// Accepts WebSocket connections on `listener`: [`listen`](Server::listen) with [`Acceptor::websocket`].
    pub fn listen_ws(&self, listener: R::Listener) {
        self.listen(listener, Acceptor::websocket());
    }

    /// Accepts connections on `listener`, through `acceptor`, until [`stop_listening`](Server::stop_listening) or the
    /// server's end. When the system refuses to accept (it is out of file handles), it tries again 50 ms later; at once where only the
    /// connection itself was given up.
    pub fn listen(&self, listener: R::Listener, acceptor: Acceptor) {
        let (stop, stopped) = oneshot::channel();
        let (done, over) = oneshot::channel();
        {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listening| !listening.stop.is_canceled());
            listeners.push(Listening { stop, over });
        }
        let (runtime, handle) = (self.runtime.clone(), Arc::clone(&self.handle));
        self.runtime.spawn(async move {
            accept_until(stopped, runtime, listener, |runtime, stream, origin| {
                let accepted = acceptor.accept_from(stream, origin);
                runtime.spawn(Arc::clone(&handle).serve(accepted));
            })
            .await;
            drop::<oneshot::Sender<Infallible>>(done);
        });
    }

    /// Closes all listeners, and waits until they are closed; connections that were accepted are not touched. They are
    /// closed even if the future is dropped.
    pub async fn stop_listening(&self) {
        let listeners = std::mem::take(&mut *self.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        // All are told before one is waited for.
        let closing: Vec<_> = listeners.into_iter().map(|listening| listening.over).collect();
        for over in closing {
            let _over = over.await;
        }
    }

    /// Takes a connection that was accepted some other way.
    pub fn serve(&self, accepted: Connected) {
        self.runtime.spawn(Arc::clone(&self.handle).serve(accepted));
    }

    /// The next session to be established. Cancel safe.
    pub async fn accept(&mut self) -> Accepted {
        self.handle.accept().await
    }

    pub(crate) fn runtime(&self) -> &R {
        &self.runtime
    }

    /// The handle, to command sessions with, and to be kept by tasks of its own.
    #[must_use]
    pub fn handle(&self) -> &Arc<ServerHandle> {
        &self.handle
    }

    /// For one message to many sessions: see [`ServerHandle::broadcaster`].
    #[must_use]
    pub fn broadcaster(&self, options: StreamOptions, backlog: usize, lag_policy: LagPolicy) -> Broadcaster {
        self.handle.broadcaster(options, backlog, lag_policy)
    }
}

impl<R> fmt::Debug for Server<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl<R> Drop for Server<R> {
    fn drop(&mut self) {
        self.handle.shut_down();
    }
}

/// Accepts until `stopped` is ready, then closes the listener.
async fn accept_until<R: Runtime>(
    mut stopped: oneshot::Receiver<Infallible>,
    runtime: R,
    listener: R::Listener,
    serve: impl Fn(&R, R::Stream, Option<std::net::IpAddr>),
) {
    let mut budget = Budget::new();
    loop {
        // A flood of connections must not keep a single-threaded executor from what was accepted.
        budget.step().await;
        match unless(&mut stopped, runtime.accept(&listener)).await {
            None => return,
            Some(Ok((stream, origin))) => serve(&runtime, stream, origin),
            Some(Err(error)) if is_of_one_connection(&error) => {}
            Some(Err(_)) => {
                unless(&mut stopped, runtime.sleep(REST)).await;
            }
        }
    }
}

/// Whether the system will accept the next connection although this failed: a connection was given up before it was accepted, or a
/// signal came in between. Nobody may hold up the others by that.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// The output of `future`, or `None` once `stopped` is ready.
pub(crate) async fn unless<T>(stopped: impl Future + Unpin, future: impl Future<Output = T>) -> Option<T> {
    match select(stopped, pin!(future)).await {
        Either::Left(_) => None,
        Either::Right((output, _)) => Some(output),
    }
}
