//! What an I/O error means to the machine.

use std::error::Error as StdError;
use std::io;

use thiserror::Error;
use unbroken_proto::{Cause, Duration};

/// An error of a carrier that knows what it means: the cause decides what is done, the rest is for
/// people. Travels as an [`io::Error`]: a dialler or connection says `Err(Failure::new(…).into())`.
///
/// ```
/// use unbroken_driver::{Failure, cause_of, proto::Cause};
/// let error: std::io::Error = Failure::new(Cause::Untrusted, "the certificate is somebody else's").into();
/// assert_eq!(cause_of(&error), Cause::Untrusted);
/// assert_eq!(error.to_string(), "the certificate is somebody else's");
/// ```
#[derive(Debug, Error)]
#[error("{why}")]
pub struct Failure {
    cause: Cause,
    after: Option<Duration>,
    why: Box<dyn StdError + Send + Sync>,
}

impl Failure {
    /// Something failed for `cause`; `why` says it in words.
    pub fn new(cause: Cause, why: impl Into<Box<dyn StdError + Send + Sync>>) -> Failure {
        Failure {
            cause,
            after: None,
            why: why.into(),
        }
    }

    /// A dial was told to come back, not before `after`.
    pub fn later(after: Duration, why: impl Into<Box<dyn StdError + Send + Sync>>) -> Failure {
        Failure {
            after: Some(after),
            ..Failure::new(Cause::ServerAsked, why)
        }
    }

    /// The failure inside an I/O error, if there is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Failure> {
        error.get_ref()?.downcast_ref()
    }

    /// What it means.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Not to be tried again before so long.
    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        self.after
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> io::Error {
        let kind = match failure.cause {
            Cause::Refused | Cause::NoService => io::ErrorKind::ConnectionRefused,
            Cause::Timeout => io::ErrorKind::TimedOut,
            Cause::Protocol | Cause::Untrusted => io::ErrorKind::InvalidData,
            Cause::Authentication => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, failure)
    }
}

/// What an I/O error means to the machine: what a [`Failure`] says, or what its kind suggests.
#[must_use]
pub fn cause_of(error: &io::Error) -> Cause {
    match (Failure::of(error), error.kind()) {
        (Some(failure), _) => failure.cause,
        (None, io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied) => Cause::Refused,
        (None, io::ErrorKind::TimedOut) => Cause::Timeout,
        (None, io::ErrorKind::InvalidData) => Cause::Protocol,
        _ => Cause::Network,
    }
}
