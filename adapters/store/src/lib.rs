#![doc = include_str!("../README.md")]

#[cfg(feature = "embedded")]
mod embedded;

#[cfg(feature = "embedded")]
pub use self::embedded::{Embedded, EmbeddedOptions, OpenError};
pub use unbroken_driver::store::{
    Fence, InvalidJournalId, JournalId, KeptJournal, Opened, Snapshot, Store, StoreError, StoreFuture,
};
