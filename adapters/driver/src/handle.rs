//! What an application holds of a session.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_channel::oneshot;
use unbroken_proto::error::OpenError;
use unbroken_proto::event::Ended;
use unbroken_proto::security::PublicKey;
use unbroken_proto::session::SessionState;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Duration, Event, SessionId};

use crate::connect_error::ConnectError;
use crate::lock::{lock, register};
use crate::shared::{CloseOnDrop, OpenRequest, Ring, Shared, View, Wait};
use crate::stream::Stream;

/// A session, in an application's hands. Cheap to clone; everything can be called from any task.
///
/// The session lives as long as a handle or a stream of it does. When the last one is dropped it is
/// closed gracefully with code 0, behind what was sent.
#[derive(Clone)]
pub struct SessionHandle {
    close_on_drop: Arc<CloseOnDrop>,
}

impl SessionHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> SessionHandle {
        SessionHandle {
            close_on_drop: Arc::new(CloseOnDrop { shared }),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.close_on_drop.shared
    }

    async fn wait<T>(&self, check: fn(&mut View) -> Option<T>) -> T {
        Wait::new(self.shared(), check).await
    }

    /// Waits until the session is established for the first time: for ever, if nobody is there and the backoff has no limit
    /// ([`Backoff::attempts`](unbroken_proto::reconnect::Backoff::attempts)). [`connect_error`](Self::connect_error) says what is in the
    /// way. Cancel safe, so that a runtime's own timeout will do.
    ///
    /// # Errors
    /// It ended before it ever was.
    pub async fn established(&self) -> Result<SessionId, Arc<Ended>> {
        self.wait(|view| match (view.id, &view.ended) {
            (Some(id), _) if view.established => Some(Ok(id)),
            (_, Some(ended)) => Some(Err(Arc::clone(ended))),
            _ => None,
        })
        .await
    }

    /// Opens a stream; waits while as many as may be are open, or there is no room.
    ///
    /// Cancel safe: a stream nobody waits for any more is reset.
    ///
    /// # Errors
    /// The options are invalid, or the session is closing or over.
    pub async fn open(&self, options: StreamOptions) -> Result<Stream, OpenError> {
        let label = options.label.clone();
        let priority = options.priority;
        let (answer, opened) = oneshot::channel();
        // A driver that is gone drops the question, and with it the answer.
        self.shared()
            .ask(|desk| desk.opens.push(OpenRequest { options, answer }));
        let stream = opened
            .await
            .map_err(|_| OpenError::SessionClosed)??
            .take()
            .ok_or(OpenError::SessionClosed)?;
        Ok(Stream::new(stream, Arc::clone(&self.close_on_drop), label, priority))
    }

    /// The next stream the peer opened; `None` once the session is over and no such stream is left.
    ///
    /// Cancel safe.
    pub async fn accept(&self) -> Option<Stream> {
        let accepted = self
            .wait(|view| match view.accepted.pop_front() {
                Some(accepted) => Some(Some(accepted)),
                None => view.ended.is_some().then_some(None),
            })
            .await?;
        self.shared().ask(|desk| desk.wishes.accepted = true);
        Some(Stream::new(
            accepted.stream,
            Arc::clone(&self.close_on_drop),
            accepted.label,
            accepted.priority,
        ))
    }

    /// What happens to the session from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        let ring = Arc::new(Mutex::new(Ring::default()));
        self.shared().note(|view| match &view.ended {
            Some(ended) => lock(&ring).end(ended),
            None => {
                view.subscribers.retain(|ring| Arc::strong_count(ring) > 1);
                view.subscribers.push(Arc::clone(&ring));
            }
        });
        Events { ring }
    }

    /// Closes the session behind what was sent, and waits for the truth about all of it: no longer than three times
    /// [`SessionConfig::linger`](unbroken_proto::SessionConfig::linger) (for what the halves still hold, for what the machine
    /// does, and for an answer), also where the session was never established. What was not delivered is handed back.
    ///
    /// The wish to close stands even if the future is dropped.
    pub async fn close(&self, code: u64, reason: Bytes) -> Arc<Ended> {
        self.shared().ask(|desk| {
            desk.wishes.close.get_or_insert((code, reason));
        });
        self.closed().await
    }

    /// Ends the session at once; what became of what was sent is told as far as it is known. The wish to end
    /// it stands even if the future is dropped.
    pub async fn abort(&self) -> Arc<Ended> {
        self.shared().ask(|desk| desk.wishes.abort = true);
        self.closed().await
    }

    /// Waits until the session is over. Cancel safe.
    pub async fn closed(&self) -> Arc<Ended> {
        self.wait(|view| view.ended.clone()).await
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Arc<Ended>> {
        self.shared().look(|view| view.ended.clone())
    }

    /// Moves the session to another connection while the old one still works. On the accepting side:
    /// asks the client to, within `within`, and tells it `alternate` (the host's own format).
    pub fn migrate(&self, within: Duration, alternate: Bytes) {
        self.shared()
            .ask(|desk| desk.wishes.migrate = Some((within, alternate)));
    }

    /// From now on this end lets the session be without a connection for `lifetime`; the peer's own
    /// limit stays what it was. See [`set_detached_lifetime`](unbroken_proto::Session::set_detached_lifetime).
    pub fn set_detached_lifetime(&self, lifetime: Duration) {
        self.shared().ask(|desk| desk.wishes.lifetime = Some(lifetime));
    }

    /// The session's name, once it has one.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.shared().look(|view| view.id)
    }

    /// Where the session was in its life when the driver last ran.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.shared().look(|view| view.state)
    }

    /// Why the last dial that failed did, in its connector's words, or that a first handshake came to nothing, as it does with a
    /// wrong secret. `None` before the first failure. The machine's word for it is the cause in
    /// [`history`](Self::history), events and [`EndReason::GaveUp`](unbroken_proto::event::EndReason::GaveUp).
    #[must_use]
    pub fn connect_error(&self) -> Option<Arc<ConnectError>> {
        self.shared().look(|view| view.connect_error.clone())
    }

    /// The peer's static key, once proven.
    #[must_use]
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.shared().look(|view| view.peer_key)
    }

    /// The session's counters when the driver last ran.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().look(|view| view.stats)
    }
}

/// One subscriber's view of what happens to a session: connections that come and go, credentials that
/// are asked for, the end. [`Event::Ended`] is the last.
///
/// A subscriber that leaves more than 256 events unread loses the oldest; [`missed`](Events::missed)
/// counts them. Also a [`Stream`](futures_core::Stream).
pub struct Events {
    ring: Arc<Mutex<Ring>>,
}

impl Events {
    /// The next event; `None` after the last. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// How many events were dropped because nobody read them.
    #[must_use]
    pub fn missed(&self) -> u64 {
        lock(&self.ring).missed
    }

    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut ring = lock(&self.ring);
        match ring.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if ring.over => Poll::Ready(None),
            None => {
                register(&mut ring.waker, cx);
                Poll::Pending
            }
        }
    }
}

impl futures_core::Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_that_are_gone_are_forgotten() {
        let handle = SessionHandle::new(Shared::new(SessionState::Connecting));
        for _ in 0..100 {
            drop(handle.events());
        }
        let _kept = handle.events();
        assert!(handle.shared().look(|view| view.subscribers.len()) <= 2);
    }
}
