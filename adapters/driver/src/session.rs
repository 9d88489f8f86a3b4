//! What an application holds of a session.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use unbroken_proto::error::{CodeTooLarge, OpenError};
use unbroken_proto::event::Ended;
use unbroken_proto::security::PublicKey;
use unbroken_proto::session::SessionState;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::{RestoredStream, StreamOptions};
use unbroken_proto::{Duration, Instant, SessionId};

use crate::close_on_drop::CloseOnDrop;
use crate::connect_error::ConnectError;
use crate::events::Events;
use crate::machine::Machine;
use crate::state::{Shared, Wait};
use crate::stream::Stream;

/// A session, in an application's hands. Cheap to clone; everything can be called from any task.
///
/// The session lives as long as a handle or a stream of it does. When the last one is dropped it is
/// closed gracefully with code 0, behind what was sent.
#[derive(Clone)]
pub struct Session {
    inner: Arc<CloseOnDrop>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Session {
        Session {
            inner: Arc::new(CloseOnDrop { shared }),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Calls the machine, and has the driver look at what came of it.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        self.shared().call(|state, now| {
            let result = call(&mut state.machine, now);
            state.notify_driver();
            result
        })
    }

    /// Waits until the session is established for the first time: for ever, if nobody is there and the backoff has no limit
    /// ([`Backoff::attempts`](unbroken_proto::reconnect::Backoff::attempts)). [`connect_error`](Self::connect_error) says what is in the
    /// way. Cancel safe, so that a runtime's own timeout will do.
    ///
    /// # Errors
    /// It ended before it ever was.
    pub async fn established(&self) -> Result<SessionId, Arc<Ended>> {
        Wait::new(
            self.shared(),
            |state| &mut state.watchers,
            |state, _| match (state.machine.id(), &state.ended) {
                (Some(id), _) if state.established => Some(Ok(id)),
                (_, Some(ended)) => Some(Err(Arc::clone(ended))),
                _ => None,
            },
        )
        .await
    }

    /// Opens a stream; waits while as many as may be are open, or there is no room. Cancel safe.
    ///
    /// # Errors
    /// The options are invalid, or the session is closing or over.
    pub async fn open(&self, options: StreamOptions) -> Result<Stream, OpenError> {
        let (label, priority) = (options.label.clone(), options.priority);
        let id = Wait::new(
            self.shared(),
            |state| &mut state.openers,
            |state, now| match state.machine.open(now, options.clone()) {
                Err(OpenError::TooMany | OpenError::Full) => None,
                opened => {
                    state.notify_driver();
                    Some(opened)
                }
            },
        )
        .await?;
        Ok(Stream::new(id, Arc::clone(&self.inner), label, priority))
    }

    /// The handle of a stream that was there before.
    pub(crate) fn stream_of(&self, restored: RestoredStream) -> Stream {
        Stream::restored(restored, Arc::clone(&self.inner))
    }

    /// The next stream the peer opened; `None` once the session is over and no such stream is left.
    ///
    /// Cancel safe.
    pub async fn accept(&self) -> Option<Stream> {
        let accepted = Wait::new(
            self.shared(),
            |state| &mut state.acceptors,
            |state, now| match state.machine.accept(now) {
                None if state.ended.is_none() => None,
                accepted => {
                    state.notify_driver();
                    Some(accepted)
                }
            },
        )
        .await?;
        let (label, priority) = (accepted.label, accepted.priority);
        Some(Stream::new(accepted.id, Arc::clone(&self.inner), label, priority))
    }

    /// What happens to the session from now on. Behind its end, that and nothing else.
    #[must_use]
    pub fn events(&self) -> Events {
        self.shared()
            .call(|state, _| state.subscribers.subscribe(state.ended.as_deref()))
    }

    /// Closes the session behind what was sent, and waits for the truth about all of it: no longer than twice
    /// [`SessionConfig::linger`](unbroken_proto::SessionConfig::linger) (for what is queued, and for an answer), also where the
    /// session was never established. What was not delivered is handed back. `reason` is cut to 1,024 bytes.
    ///
    /// The wish to close stands even if the future is dropped.
    ///
    /// # Errors
    /// The code is larger than [`MAX_CODE`](unbroken_proto::config::MAX_CODE); the session goes on.
    pub async fn close(&self, code: u64, reason: Bytes) -> Result<Arc<Ended>, CodeTooLarge> {
        self.call(|machine, now| machine.close(now, code, reason))?;
        Ok(self.closed().await)
    }

    /// Ends the session at once; what became of what was sent is told as far as it is known. The wish to end
    /// it stands even if the future is dropped.
    pub async fn abort(&self) -> Arc<Ended> {
        self.call(|machine, now| machine.abort(now));
        self.closed().await
    }

    /// Waits until the session is over. Cancel safe.
    pub async fn closed(&self) -> Arc<Ended> {
        Wait::new(
            self.shared(),
            |state| &mut state.watchers,
            |state, _| state.ended.clone(),
        )
        .await
    }

    /// Waits until the session is over and its connections are closed: some moments after [`closed`](Self::closed), in which the peer is told.
    /// A process that ends before has the peer wait in vain for that, for as long as its own linger. Cancel safe.
    pub async fn disconnected(&self) {
        Wait::new(
            self.shared(),
            |state| &mut state.watchers,
            |state, _| state.is_disconnected.then_some(()),
        )
        .await
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Arc<Ended>> {
        self.shared().read(|state| state.ended.clone())
    }

    /// Moves the session to another connection while the old one still works. On the accepting side:
    /// asks the client to, within `within`, and tells it `alternate` (the host's own format).
    pub fn migrate(&self, within: Duration, alternate: Bytes) {
        self.call(|machine, now| machine.migrate(now, within, alternate));
    }

    /// From now on this end lets the session be without a connection for `lifetime`; the peer's own
    /// limit stays what it was. See [`set_detached_lifetime`](unbroken_proto::Session::set_detached_lifetime).
    pub fn set_detached_lifetime(&self, lifetime: Duration) {
        self.call(|machine, now| machine.set_detached_lifetime(now, lifetime));
    }

    /// The session's name, once it has one.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.shared().read(|state| state.machine.id())
    }

    /// Where the session is in its life.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.shared().read(|state| state.machine.state())
    }

    /// Why the last dial that failed did, as its connector describes it, or that a first handshake came to nothing, as it does with a
    /// wrong secret; `None` before that, also where a server answers that it refuses. The machine knows it as the cause in
    /// [`history`](Self::history), events and [`EndReason::GaveUp`](unbroken_proto::event::EndReason::GaveUp).
    #[must_use]
    pub fn connect_error(&self) -> Option<Arc<ConnectError>> {
        self.shared().read(|state| state.connect_error.clone())
    }

    /// The peer's static key, once proven.
    #[must_use]
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.shared().read(|state| state.machine.peer_key())
    }

    /// Whom the connection comes from that carries the session, or was the last to do so, as far as the accepting side knows
    /// ([`Connection::peer`](crate::Connection::peer)). It changes when the client comes back from somewhere else.
    #[must_use]
    pub fn peer_address(&self) -> Option<IpAddr> {
        self.shared().read(|state| state.peer_address)
    }

    /// The session's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().read(|state| state.machine.stats())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, state) = self.shared().read(|state| (state.machine.id(), state.machine.state()));
        f.debug_struct("Session")
            .field("id", &id)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
