//! What an I/O error means to the machine.

use std::error::Error;
use std::fmt;
use std::io;

use unbroken_proto::{Cause, Duration};

/// What a dial, or a connection, failed of, by the word of whoever knows: put into an [`io::Error`], it overrules
/// what the error's kind would say.
///
/// ```
/// use unbroken_tungstenite::{Failure, cause_of, proto::Cause};
/// let error = std::io::Error::from(Failure::new(Cause::Authentication, "this token is over"));
/// assert_eq!(cause_of(&error), Cause::Authentication);
/// ```
#[derive(Debug)]
pub struct Failure {
    cause: Cause,
    later: Option<Duration>,
    source: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// It failed of `cause`, because of `source`.
    pub fn new(cause: Cause, source: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure {
            cause,
            later: None,
            source: source.into(),
        }
    }

    /// The other end, or somebody on the way, said "not before `after`". See
    /// [`Session::dial_postponed`](unbroken_proto::Session::dial_postponed).
    pub fn later(after: Duration, source: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure {
            later: Some(after),
            ..Failure::new(Cause::ServerAsked, source)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> io::Error {
        io::Error::other(failure)
    }
}

fn failure_in(error: &io::Error) -> Option<&Failure> {
    error.get_ref()?.downcast_ref()
}

/// What an I/O error means to the machine.
#[must_use]
pub fn cause_of(error: &io::Error) -> Cause {
    if let Some(failure) = failure_in(error) {
        return failure.cause;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied => Cause::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Cause::Timeout,
        io::ErrorKind::InvalidData => Cause::Protocol,
        _ => Cause::Network,
    }
}

/// How long to wait, if the error says so.
pub(crate) fn later_of(error: &io::Error) -> Option<Duration> {
    failure_in(error)?.later
}

pub(crate) fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// Nothing now, on a socket that does not block or whose patience is over.
pub(crate) fn is_blocked(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
