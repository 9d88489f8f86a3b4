//! Where durable sessions are kept: what a store is asked for, and what it promises.

mod error;
mod journal;
mod memory;

use std::future::Future;
use std::pin::Pin;

pub use self::error::StoreError;
pub use self::journal::{Fence, InvalidJournalId, JournalId, KeptJournal, Opened, Snapshot};
pub use self::memory::MemoryStore;

use bytes::Bytes;

/// What a [`Store`] gives back: no runtime is named, so that any of them can wait for it.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps the journals of durable sessions, each a snapshot and the records behind it.
///
/// What is written is opaque: the machine has sealed it. A store adds durability, order, and one owner at a time.
///
/// * **Durable.** A call that returns `Ok` survives the loss of power, and `kill -9` of everything.
/// * **Whole.** A call takes effect whole or not at all. One that returns [`StoreError::Unavailable`] may have taken effect:
///   it is said again, with the same arguments, until it is answered otherwise.
/// * **Fenced.** [`open`](Self::open) makes its caller the owner of the journal. What an owner before it says from then on
///   fails with [`StoreError::Fenced`], and has no effect, however late it comes.
/// * **In order.** The calls of one owner about one journal come one after the other: the next one when the one before is
///   answered. Calls about different journals come at the same time, and should share what they cost.
///
/// A future that is dropped may have had its effect or not.
pub trait Store: Send + Sync + 'static {
    /// Makes the caller the owner of that journal, which may be empty, and returns what is kept of it.
    ///
    /// Where several processes share the store and another one owns the journal, that one is asked to give it up
    /// ([`wanted`](Self::wanted)), and loses it when it does not answer in time.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], if what is kept is not what was written; [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened>;

    /// Appends records, of which the first has the number `first` and each next one the number after it. Records that the
    /// same owner has appended before are left out, so that a call whose answer was lost can be said again.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::Gap`], if `first` is not at most one behind the last record or the snapshot;
    /// [`StoreError::Full`], [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()>;

    /// Replaces the journal up to and with the record [`Snapshot::through`] by the snapshot. Records behind it stay.
    ///
    /// # Errors
    /// As [`append`](Self::append), but that no gap is possible.
    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()>;

    /// Deletes the journal, and what is known of its owner.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()>;

    /// The caller owns the journal no longer, and leaves it as it is for the next owner, who need not wait.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn release<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()>;

    /// Which journals there are, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn list(&self) -> StoreFuture<'_, Vec<JournalId>>;

    /// The next journal of which this process is the owner and that another process asks for. Its owner should stop writing it
    /// soon and call [`release`](Self::release). Never ready where a store has one process only.
    fn wanted(&self) -> Pin<Box<dyn Future<Output = JournalId> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}
