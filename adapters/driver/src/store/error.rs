//! Why a store did not do what it was asked for.

use std::error::Error;

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another owner has opened the journal: the session goes on there, and is over here.
    #[error("the session was taken over by another process")]
    Fenced,
    /// The records do not follow what is kept. Only a store that lost something says so.
    #[error("records from number {first} on do not follow the {kept} that are kept")]
    Gap {
        /// The number of the first record that was to be appended.
        first: u64,
        /// The number of the last one that is kept.
        kept: u64,
    },
    /// What is kept of the journal is not what was written.
    #[error("what is stored is damaged: {place}")]
    Damaged {
        /// Where, in words.
        place: String,
    },
    /// There is no room for it. Nothing was changed; other journals go on.
    #[error("the store is full")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The store cannot be reached now. Whether the call took effect is not known; it may be said again.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It failed, and would again.
    #[error("the store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}
