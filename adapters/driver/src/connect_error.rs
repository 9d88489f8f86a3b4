//! Why a dial failed, and what an I/O error means to the machine.

use std::error::Error;
use std::fmt;
use std::io;

use unbroken_proto::{Cause, Duration};

/// Why a dial, or a connection, failed: a [`Cause`], which decides what the session does about it, and what lies behind.
///
/// It shows itself in one line, with what lies behind it. An [`io::Error`] becomes one by `?`; the other way round it is
/// put into an I/O error, where it overrules what the error's kind would say.
///
/// ```
/// use std::io;
/// use unbroken_driver::{ConnectError, proto::Cause};
///
/// let refused = ConnectError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
/// assert_eq!((refused.cause(), refused.to_string()), (Cause::Refused, "refused: connection refused".to_owned()));
///
/// let expired = ConnectError::new(Cause::Authentication).with_source("the token expired");
/// let again = ConnectError::from(io::Error::from(expired));
/// assert_eq!((again.cause(), again.to_string()), (Cause::Authentication, "authentication: the token expired".to_owned()));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectError {
    cause: Cause,
    after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ConnectError {
    /// It failed because of `cause`. After [`Cause::Authentication`] nothing is dialled before a fresh credential is
    /// there, after [`Cause::Denied`] one is welcome; a cause that [is final](unbroken_proto::reconnect::Strategies::is_final) ends a session that was never established.
    #[must_use]
    pub fn new(cause: Cause) -> ConnectError {
        ConnectError {
            cause,
            after: None,
            source: None,
        }
    }

    /// The other end, or somebody on the way, said "not before `after`" (HTTP 429 or 503 with Retry-After). Its cause is
    /// [`Cause::ServerAsked`]; see [`Answer::Postponed`](unbroken_proto::reconnect::Answer::Postponed).
    #[must_use]
    pub fn later(after: Duration) -> ConnectError {
        ConnectError {
            after: Some(after),
            ..ConnectError::new(Cause::ServerAsked)
        }
    }

    /// The same, with what lies behind it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectError {
        self.source = Some(source.into());
        self
    }

    /// What it means to the machine.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// How long the other end asked to wait before the next dial.
    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        self.after
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "not before {after:?}")?,
            None => self.cause.fmt(f)?,
        }
        // Inside an I/O error this line is all that is shown, so it names the source too.
        self.source.as_ref().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> ConnectError {
        error
            .downcast::<ConnectError>()
            .unwrap_or_else(|error| ConnectError::new(cause_of_kind(error.kind())).with_source(error))
    }
}

impl From<io::ErrorKind> for ConnectError {
    fn from(kind: io::ErrorKind) -> ConnectError {
        io::Error::from(kind).into()
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        let kind = match error.cause {
            Cause::Refused | Cause::NoService => io::ErrorKind::ConnectionRefused,
            Cause::Timeout | Cause::Heartbeat => io::ErrorKind::TimedOut,
            Cause::Authentication | Cause::Denied => io::ErrorKind::PermissionDenied,
            Cause::Protocol | Cause::Untrusted | Cause::TooLarge => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// What an I/O error means to the machine: what a [`ConnectError`] inside it says, or else its kind. A name that does
/// not resolve, an unreachable host and a broken connection are all [`Cause::Network`].
#[must_use]
pub fn cause_of(error: &io::Error) -> Cause {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectError>());
    inner.map_or_else(|| cause_of_kind(error.kind()), ConnectError::cause)
}

fn cause_of_kind(kind: io::ErrorKind) -> Cause {
    match kind {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::Timeout,
        io::ErrorKind::InvalidData => Cause::Protocol,
        _ => Cause::Network,
    }
}
