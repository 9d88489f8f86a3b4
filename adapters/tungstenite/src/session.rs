//! What an application holds of a session.

use std::sync::Arc;

use bytes::Bytes;
use unbroken_proto::error::{CodeTooLarge, OpenError};
use unbroken_proto::event::Ended;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Duration, Event, SessionId};

use crate::executor::{block_on, block_on_within};
use crate::stream::Stream;

/// A session, in an application's hands. Cheap to clone; everything can be called from any thread, and what has to wait
/// blocks it: no longer than `within`, and with a limit of zero not at all. What does not wait is had through
/// [`get_ref`](Session::get_ref): its state and numbers, migrating, reconnecting.
///
/// The session lives as long as a handle or a stream of it does. When the last one is dropped it is closed gracefully
/// with code 0, behind what was sent.
#[derive(Clone, Debug)]
pub struct Session(unbroken_driver::Session);

impl From<unbroken_driver::Session> for Session {
    fn from(session: unbroken_driver::Session) -> Session {
        Session(session)
    }
}

impl Session {
    /// The same session, in futures: what has no method here and waits takes [`block_on_within`].
    #[must_use]
    pub fn get_ref(&self) -> &unbroken_driver::Session {
        &self.0
    }

    /// Waits until the session is first established: for ever, if nobody is there and the backoff has no limit.
    ///
    /// # Errors
    /// It ended before it ever was.
    pub fn established(&self) -> Result<SessionId, Arc<Ended>> {
        block_on(self.0.established())
    }

    /// The same, no longer than `within`; `None`: not yet.
    pub fn established_within(&self, within: Duration) -> Option<Result<SessionId, Arc<Ended>>> {
        block_on_within(within, self.0.established())
    }

    /// Opens a stream; waits while as many as may be are open, or there is no room.
    ///
    /// # Errors
    /// The options are invalid, or the session is closing or over.
    pub fn open(&self, options: StreamOptions) -> Result<Stream, OpenError> {
        block_on(self.0.open(options)).map(Stream::from)
    }

    /// The same, no longer than `within`; `None`: not yet, and none is opened.
    pub fn open_within(&self, options: StreamOptions, within: Duration) -> Option<Result<Stream, OpenError>> {
        let opened = block_on_within(within, self.0.open(options))?;
        Some(opened.map(Stream::from))
    }

    /// The next stream the peer opened; `None` once the session is over and no such stream is left.
    #[must_use]
    pub fn accept(&self) -> Option<Stream> {
        block_on(self.0.accept()).map(Stream::from)
    }

    /// The same, no longer than `within`; `None`: not yet, `Some(None)`: no more.
    #[must_use]
    pub fn accept_within(&self, within: Duration) -> Option<Option<Stream>> {
        let accepted = block_on_within(within, self.0.accept())?;
        Some(accepted.map(Stream::from))
    }

    /// What happens to the session from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        Events(self.0.events())
    }

    /// Closes the session behind what was sent (`reason` cut to 1,024 bytes), and waits for the truth about all of it: for a
    /// bounded time, as [`Session::close`](unbroken_driver::Session::close) says. What was not delivered is handed back.
    ///
    /// # Errors
    /// The code is larger than [`MAX_CODE`](unbroken_proto::config::MAX_CODE); the session goes on.
    pub fn close(&self, code: u64, reason: Bytes) -> Result<Arc<Ended>, CodeTooLarge> {
        block_on(self.0.close(code, reason))
    }

    /// Closes in the same way, and waits no longer than `within`; `None`: it is not over yet, but closing.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn close_within(&self, code: u64, reason: Bytes, within: Duration) -> Result<Option<Arc<Ended>>, CodeTooLarge> {
        block_on_within(within, self.0.close(code, reason)).transpose()
    }

    /// Whether the peer is there: how long it took to answer, or `None`, after 3 s at most, as
    /// [`Session::probe`](unbroken_driver::Session::probe) says.
    #[must_use]
    pub fn probe(&self) -> Option<Duration> {
        block_on(self.0.probe())
    }

    /// Ends the session at once; what became of what was sent is told as far as it is known.
    pub fn abort(&self) -> Arc<Ended> {
        block_on(self.0.abort())
    }

    /// Waits until the session is over.
    #[must_use]
    pub fn closed(&self) -> Arc<Ended> {
        block_on(self.0.closed())
    }

    /// The same, no longer than `within`; `None`: not yet.
    #[must_use]
    pub fn closed_within(&self, within: Duration) -> Option<Arc<Ended>> {
        block_on_within(within, self.0.closed())
    }
}

/// One subscriber's view of what happens to a session. An iterator that blocks; [`Event::Ended`] is its last item.
#[derive(Debug)]
pub struct Events(unbroken_driver::Events);

impl Events {
    /// The next event, no later than `within`; `None` then, and after the last.
    pub fn next_within(&mut self, within: Duration) -> Option<Event> {
        block_on_within(within, self.0.next()).flatten()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        block_on(self.0.next())
    }
}
