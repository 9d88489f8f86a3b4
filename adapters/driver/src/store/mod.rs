//! Where durable sessions are kept: what a store is asked for, and what it promises.

mod contract;
mod error;
mod journal;
mod memory;

pub use self::contract::{Store, StoreFuture};
pub use self::error::StoreError;
pub use self::journal::{Fence, InvalidJournalId, JournalId, KeptJournal, Opened, Snapshot};
pub use self::memory::MemoryStore;
