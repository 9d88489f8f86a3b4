#![doc = include_str!("../README.md")]

pub use unbroken_driver::store::{
    Fence, InvalidJournalId, JournalId, KeptJournal, Opened, Snapshot, Store, StoreError, StoreFuture,
};

#[cfg(feature = "nats")]
pub mod nats;
