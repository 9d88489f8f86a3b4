//! Who makes connections, and what a dial that failed says.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use unbroken_proto::reconnect::Continuity;
use unbroken_proto::{Cause, Duration, ReconnectIntent};

use crate::connection::Connected;

/// A dial under way.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Connected>> + Send>>;
/// Something that comes before a dial, under way.
pub type PendingAnswer = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The host's answer to what an intent asks for before the dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A fresh credential; `None`, the final no, ends the session.
    Credential(Option<Bytes>),
    /// To [`Preparation::Restore`](unbroken_proto::reconnect::Preparation::Restore).
    Restored(Result<(), Cause>),
    /// To [`Preparation::Restart`](unbroken_proto::reconnect::Preparation::Restart).
    Restarted(Result<Continuity, Cause>),
    /// To [`Preparation::Recover`](unbroken_proto::reconnect::Preparation::Recover).
    Recovered(Result<(), Cause>),
}

/// Makes connections for a session. Every closure from a [`ReconnectIntent`] to a future of a
/// [`Connected`] is one; [`Reconnector`](crate::Reconnector) adds closures for what comes before a dial.
///
/// A dial may be dropped at any point: when the machine gives its attempt up. What one failed of is read by
/// [`cause_of`]: an I/O error's kind, or a [`ConnectError`] inside it.
pub trait Connector: Send {
    /// Begins one dial.
    fn dial(&mut self, intent: ReconnectIntent) -> Connecting;

    /// Begins what `intent` asks for before the dial: its preparation, or else a fresh credential. `None`, the
    /// default: it is not done here, and the application answers through its [handle](crate::Session).
    fn prepare(&mut self, intent: &ReconnectIntent) -> Option<PendingAnswer> {
        let _ = intent;
        None
    }
}

impl<F, D> Connector for F
where
    F: FnMut(ReconnectIntent) -> D + Send,
    D: Future<Output = io::Result<Connected>> + Send + 'static,
{
    fn dial(&mut self, intent: ReconnectIntent) -> Connecting {
        Box::pin(self(intent))
    }
}

/// What a dial, or a connection, failed of, by the word of whoever knows: put into an [`io::Error`], it overrules
/// what the error's kind would say.
///
/// ```
/// use unbroken_driver::{ConnectError, cause_of, proto::Cause};
/// let error = std::io::Error::from(ConnectError::new(Cause::Authentication));
/// assert_eq!(cause_of(&error), Cause::Authentication);
/// ```
#[derive(Debug)]
pub struct ConnectError {
    cause: Cause,
    later: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ConnectError {
    /// It failed of `cause`. [`Cause::Authentication`]: it is not tried again before a fresh credential is there.
    #[must_use]
    pub fn new(cause: Cause) -> ConnectError {
        ConnectError {
            cause,
            later: None,
            source: None,
        }
    }

    /// The other end, or somebody on the way, said "not before `after`" (HTTP 429 or 503 with Retry-After). See
    /// [`Session::dial_postponed`](unbroken_proto::Session::dial_postponed).
    #[must_use]
    pub fn later(after: Duration) -> ConnectError {
        ConnectError {
            later: Some(after),
            ..ConnectError::new(Cause::ServerAsked)
        }
    }

    /// The same, with what lies behind it.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectError {
        ConnectError {
            source: Some(source.into()),
            ..self
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.later {
            Some(after) => write!(f, "not before {after:?}")?,
            None => self.cause.fmt(f)?,
        }
        // Whoever holds the error holds it inside an I/O error, which shows this line and no other.
        self.source.as_ref().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        let kind = match error.cause {
            Cause::Refused | Cause::NoService => io::ErrorKind::ConnectionRefused,
            Cause::Timeout | Cause::Heartbeat => io::ErrorKind::TimedOut,
            Cause::Authentication => io::ErrorKind::PermissionDenied,
            Cause::Protocol | Cause::Untrusted => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

fn told(error: &io::Error) -> Option<&ConnectError> {
    error.get_ref()?.downcast_ref()
}

/// What an I/O error means to the machine: what a [`ConnectError`] inside it says, or else its kind. A name that does
/// not resolve, an unreachable host and a broken connection are all [`Cause::Network`].
#[must_use]
pub fn cause_of(error: &io::Error) -> Cause {
    if let Some(told) = told(error) {
        return told.cause;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::Timeout,
        io::ErrorKind::InvalidData => Cause::Protocol,
        _ => Cause::Network,
    }
}

/// How long the other end asked to wait.
pub(crate) fn later_of(error: &io::Error) -> Option<Duration> {
    told(error)?.later
}
