//! Why nothing could begin.

use std::io;

use thiserror::Error;
use unbroken_driver::proto::error::ConfigError;

use crate::address::AddressError;

/// Why a session or a server could not be set up. Nothing was dialled, and nothing accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is none, or none of the kind that is wanted.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The system has no entropy.
    #[error("no entropy: {0}")]
    Entropy(#[source] io::Error),
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> io::Error {
        match error {
            StartError::Entropy(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidInput, error),
        }
    }
}
