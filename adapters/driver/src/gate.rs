//! The accepting side as an adapter holds it: a handle, and the sessions that come out of it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_channel::mpsc;
use futures_core::Stream;
use unbroken_proto::ServerConfig;
use unbroken_proto::config::Seed;
use unbroken_proto::server::{Placement, Refusal, Request};

use crate::clock::Timer;
use crate::server::{Established, ServerHandle, Verdict};

/// 32 fresh random bytes of the system.
///
/// # Errors
/// The system has none.
pub fn fresh_seed() -> io::Result<Seed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Seed(seed))
}

/// A [`ServerHandle`] and its established sessions. What is left to an adapter is to spawn
/// [`housekeeping`](ServerHandle::housekeeping) once and [`serve`](ServerHandle::serve) for every connection.
///
/// Dropping it [shuts the handle down](ServerHandle::shut_down).
pub struct Gate {
    handle: Arc<ServerHandle>,
    backlog: mpsc::Receiver<Established>,
}

impl Gate {
    /// A gate that asks `authorise` about every proven client: whom to refuse, and whose session it is that is
    /// let in ([`Placement`]; `()` if there is nothing to add). The decision must come within the handshake
    /// timeout. `timer` makes the timer of a task.
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy.
    pub fn new<A, F, P, T>(config: ServerConfig, authorise: A, timer: fn() -> T) -> io::Result<Gate>
    where
        A: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<P, Refusal>> + Send + 'static,
        P: Into<Placement>,
        T: Timer + 'static,
    {
        let authorise = Box::new(move |request| -> Verdict {
            let decision = authorise(request);
            Box::pin(async move { decision.await.map(P::into) })
        });
        let timer = Box::new(move || -> Box<dyn Timer> { Box::new(timer()) });
        let (handle, backlog) = ServerHandle::new(config, fresh_seed()?, authorise, timer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Gate { handle, backlog })
    }

    /// The handle.
    #[must_use]
    pub fn handle(&self) -> &Arc<ServerHandle> {
        &self.handle
    }

    /// The next session to be established. Cancel safe.
    pub async fn accept(&mut self) -> Established {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`accept`](Gate::accept), for callers with a context of their own.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Established> {
        match Pin::new(&mut self.backlog).poll_next(cx) {
            Poll::Ready(Some(established)) => Poll::Ready(established),
            // The handle, which we hold, holds a sender.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.handle.shut_down();
    }
}
