//! Why a run came to nothing.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio::task::JoinError;

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Peer(#[source] Box<dyn Error + Send + Sync>),
    #[error("the other end closed early")]
    Closed,
    #[error("of {sent} messages {received} arrived")]
    Lost { sent: u64, received: u64 },
    #[error("a task ended: {0}")]
    Task(#[from] JoinError),
    #[error("not done after {0:?}")]
    TimedOut(Duration),
    #[error("nothing was measured: the run is too short")]
    TooShort,
}

impl Failure {
    /// What a contestant's own library said.
    pub(crate) fn peer(error: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure::Peer(error.into())
    }
}
