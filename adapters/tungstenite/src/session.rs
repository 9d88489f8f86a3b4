//! What an application holds of a session.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use unbroken_proto::error::OpenError;
use unbroken_proto::event::Ended;
use unbroken_proto::security::PublicKey;
use unbroken_proto::session::SessionState;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{self as proto, Duration, Event, Instant, SessionId};

use crate::shared::{Ring, Shared, limit, lock};
use crate::stream::Stream;

/// A session, in an application's hands. Cheap to clone; everything can be called from any thread, and what has to
/// wait blocks it.
///
/// The session lives as long as a handle or a stream of it does. When the last one is dropped it is closed
/// gracefully with code 0, behind what was sent, on its own thread.
#[derive(Clone)]
pub struct Session {
    close_on_drop: Arc<CloseOnDrop>,
}

/// Held by every handle of a session and its streams. When the last one goes, the session closes.
pub(crate) struct CloseOnDrop {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.shared.call(|core, now| core.session().close(now, 0, Bytes::new()));
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Session {
        Session {
            close_on_drop: Arc::new(CloseOnDrop { shared }),
        }
    }

    fn shared(&self) -> &Shared {
        &self.close_on_drop.shared
    }

    /// Waits until the session is established for the first time.
    ///
    /// # Errors
    /// It ended before it ever was.
    pub fn established(&self) -> Result<SessionId, Arc<Ended>> {
        let answer = self.try_established(None);
        // Without a limit there is always an answer.
        answer.unwrap_or_else(|| Err(self.closed()))
    }

    /// The same, no longer than `within`; `None`: not yet.
    pub fn established_within(&self, within: Duration) -> Option<Result<SessionId, Arc<Ended>>> {
        self.try_established(Some(within))
    }

    fn try_established(&self, within: Option<Duration>) -> Option<Result<SessionId, Arc<Ended>>> {
        self.shared()
            .wait(limit(within), |core, _| match (core.established, &core.ended) {
                (Some(id), _) => Some(Ok(id)),
                (None, Some(ended)) => Some(Err(Arc::clone(ended))),
                (None, None) => None,
            })
    }

    /// Opens a stream; waits while as many as may be are open, or there is no room.
    ///
    /// # Errors
    /// The options are invalid, or the session is closing or over.
    pub fn open(&self, options: StreamOptions) -> Result<Stream, OpenError> {
        self.try_open(options, None)
    }

    /// The same, no longer than `within`.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`OpenError::TooMany`] or [`OpenError::Full`] when the time is over.
    pub fn open_within(&self, options: StreamOptions, within: Duration) -> Result<Stream, OpenError> {
        self.try_open(options, Some(within))
    }

    fn try_open(&self, options: StreamOptions, within: Option<Duration>) -> Result<Stream, OpenError> {
        let mut last = OpenError::TooMany;
        let id = self.shared().wait(limit(within), |core, now| {
            match core.session().open(now, options.clone()) {
                Err(error @ (OpenError::TooMany | OpenError::Full)) => {
                    last = error;
                    None
                }
                done => Some(done),
            }
        });
        let id = id.unwrap_or(Err(last))?;
        Ok(Stream::new(id, &self.close_on_drop, options.label, options.priority))
    }

    /// The next stream the peer opened; `None` once the session is over and no such stream is left.
    #[must_use]
    pub fn accept(&self) -> Option<Stream> {
        self.try_accept(None).ok().flatten()
    }

    /// The same, no longer than `within`.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn accept_within(&self, within: Duration) -> io::Result<Option<Stream>> {
        self.try_accept(Some(within))
    }

    fn try_accept(&self, within: Option<Duration>) -> io::Result<Option<Stream>> {
        let accepted = self
            .shared()
            .wait(limit(within), |core, now| match core.session().accept(now) {
                Some(accepted) => Some(Some(accepted)),
                None => core.ended.is_some().then_some(None),
            });
        let accepted = accepted.ok_or(io::ErrorKind::TimedOut)?;
        Ok(accepted.map(|stream| Stream::new(stream.id, &self.close_on_drop, stream.label, stream.priority)))
    }

    /// What happens to the session from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        Events {
            ring: self.shared().core().subscribe(),
            shared: Arc::clone(&self.close_on_drop.shared),
            over: false,
        }
    }

    /// Closes the session behind what was sent, and waits for the truth about all of it: no longer than twice
    /// [`SessionConfig::linger`](unbroken_proto::SessionConfig::linger) if nobody answers. What was not delivered is
    /// handed back.
    pub fn close(&self, code: u64, reason: Bytes) -> Arc<Ended> {
        self.shared().call(|core, now| core.session().close(now, code, reason));
        self.closed()
    }

    /// Ends the session at once; what became of what was sent is told as far as it is known.
    pub fn abort(&self) -> Arc<Ended> {
        self.shared().call(|core, now| core.session().abort(now));
        self.closed()
    }

    /// Waits until the session is over.
    #[must_use]
    pub fn closed(&self) -> Arc<Ended> {
        loop {
            if let Some(ended) = self.shared().wait(None, |core, _| core.ended.clone()) {
                return ended;
            }
        }
    }

    /// The same, no longer than `within`; `None`: not yet.
    #[must_use]
    pub fn closed_within(&self, within: Duration) -> Option<Arc<Ended>> {
        self.shared().wait(limit(Some(within)), |core, _| core.ended.clone())
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Arc<Ended>> {
        self.shared().look(|core| core.ended.clone())
    }

    /// Moves the session to another connection while the old one still works. On the accepting side: asks the client
    /// to, within `within`, and tells it `alternate` (the host's own format).
    pub fn migrate(&self, within: Duration, alternate: Bytes) {
        self.shared()
            .call(|core, now| core.session().migrate(now, within, alternate));
    }

    /// The machine itself, for a moment, and the present instant: for whatever has no method here, such as all about
    /// reconnecting (pause, force, history, preserved state, answers to intents). `visit` must not call this handle, nor
    /// take events, reports or packets from the machine: those are its thread's.
    pub fn machine<T>(&self, visit: impl FnOnce(&mut proto::Session, Instant) -> T) -> T {
        self.shared().call(|core, now| visit(core.session(), now))
    }

    /// The session's name, once it has one.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.shared().look(|core| core.stepper.session().id())
    }

    /// Where the session is in its life.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.shared().look(|core| core.stepper.session().state())
    }

    /// The peer's static key, once proven.
    #[must_use]
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.shared().look(|core| core.stepper.session().peer_key())
    }

    /// The session's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().look(|core| core.stepper.session().stats())
    }

    /// Why the last dial failed, if it did.
    #[must_use]
    pub fn connect_error(&self) -> Option<Arc<io::Error>> {
        self.shared().look(|core| core.connect_error.clone())
    }
}

/// One subscriber's view of what happens to a session: connections that come and go, credentials that are asked
/// for, the end. [`Event::Ended`] is the last. An iterator that blocks.
///
/// A subscriber that leaves more than 256 events unread loses the oldest; [`missed`](Events::missed) counts them.
/// It does not keep the session alive.
pub struct Events {
    ring: Arc<Mutex<Ring>>,
    shared: Arc<Shared>,
    over: bool,
}

impl Events {
    /// The next event, no later than `within`; `None` then, and after the last.
    pub fn next_within(&mut self, within: Duration) -> Option<Event> {
        self.try_next(Some(within))
    }

    /// How many events were dropped because nobody read them.
    #[must_use]
    pub fn missed(&self) -> u64 {
        lock(&self.ring).missed
    }

    fn try_next(&mut self, within: Option<Duration>) -> Option<Event> {
        if self.over {
            return None;
        }
        let ring = &self.ring;
        let event = self.shared.wait(limit(within), |_, _| lock(ring).events.pop_front())?;
        self.over = matches!(event, Event::Ended(_));
        Some(event)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.try_next(None)
    }
}
