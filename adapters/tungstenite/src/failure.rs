//! What an I/O error means to the machine.

use std::error::Error;
use std::fmt;
use std::io;

use unbroken_proto::{Cause, Duration};

/// What a dial, or a connection, failed of, by the word of whoever knows: put into an [`io::Error`], it overrules
/// what the error's kind would say.
///
/// ```
/// use unbroken_tungstenite::{ConnectError, cause_of, proto::Cause};
/// let error = std::io::Error::from(ConnectError::new(Cause::Authentication).with_source("this token is over"));
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
        // Of no kind that a caller would take for "try again".
        io::Error::other(error)
    }
}

fn told(error: &io::Error) -> Option<&ConnectError> {
    error.get_ref()?.downcast_ref()
}

/// What an I/O error means to the machine: what a [`ConnectError`] inside it says, or else its kind.
#[must_use]
pub fn cause_of(error: &io::Error) -> Cause {
    if let Some(told) = told(error) {
        return told.cause;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied => Cause::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Cause::Timeout,
        io::ErrorKind::InvalidData => Cause::Protocol,
        _ => Cause::Network,
    }
}

/// How long the other end asked to wait.
pub(crate) fn later_of(error: &io::Error) -> Option<Duration> {
    told(error)?.later
}

pub(crate) fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// Nothing now, on a socket that does not block or whose patience is over.
pub(crate) fn is_blocked(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
