//! The contract between a driver and a store.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use super::error::StoreError;
use super::journal::{Fence, JournalId, KeptJournal, Opened, Snapshot};

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
///   fails with [`StoreError::Fenced`], and has no effect, however late it comes; so does what is said of a journal that was removed or
///   released. Of two fences of a journal the later one is larger, also after it was removed.
/// * **In time.** A call ends by itself: where nothing is heard for some seconds, as [`StoreError::Unavailable`]. Sessions wait for theirs as long as it takes, and
///   only so many are looked up at once.
/// * **In order.** The calls of one owner about one journal come one after the other: the next one when the one before is
///   answered. Calls about different journals come at the same time, and should share what they cost.
///
/// A future that is dropped may have had its effect or not.
pub trait Store: Send + Sync + 'static {
    /// Makes the caller the owner of that journal, which may be empty, and returns what is kept of it.
    ///
    /// Where several processes share the store and another one owns the journal, that one is asked to give it up
    /// ([`wanted`](Self::wanted)). It loses it if it is gone; as long as it is there and does not give it up, this is
    /// [`StoreError::Unavailable`].
    ///
    /// # Errors
    /// [`StoreError::Damaged`], if what is kept is not what was written; [`StoreError::Full`], since the owner is written down;
    /// [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened>;

    /// As [`open`](Self::open), if nobody owns the journal, or whose owner is gone as far as that is known; `None`: somebody does, who is not asked.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn open_abandoned<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Option<Opened>> {
        let opened = self.open(id);
        Box::pin(async move { opened.await.map(Some) })
    }

    /// What is kept of that journal, whoever owns it; nothing changes by it. Empty, if nothing is kept. Where several processes share the store it may be
    /// behind what another one is writing just now; [`open`](Self::open) never is.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal>;

    /// Appends records, of which the first has the number `first` (1 or more) and each next one the number after it. Records that the
    /// same owner has appended before are left out, so that a call whose answer was lost can be said again.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::Gap`], if `first` is not at most one behind the last record or the snapshot;
    /// [`StoreError::Damaged`], [`StoreError::Full`], [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()>;

    /// Replaces the journal up to and with the record [`Snapshot::through`] by the snapshot. Records behind it stay; one that is ahead of
    /// them is counted on from, and one that is older than the snapshot that is kept changes nothing.
    ///
    /// # Errors
    /// As [`append`](Self::append), but that no gap is possible.
    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()>;

    /// Deletes the journal. It has no owner then. Said again, it is done already.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Full`], [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()>;

    /// The caller owns the journal no longer, and leaves it as it is for the next owner, who need not wait. Said again, it is done already.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Full`], [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn release<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()>;

    /// Which journals there are, in no particular order. One that was opened and never written may be among them or not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Failed`].
    fn list(&self) -> StoreFuture<'_, Vec<JournalId>>;

    /// Those of [`list`](Self::list) that somebody should go on with: that nobody owns, or whose owner is gone, as far as that is known (where a store has
    /// one process only, whoever owns them), and that are not what is [left](Snapshot::keep_for) of a session that is over.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    fn abandoned(&self) -> StoreFuture<'_, Vec<JournalId>>;

    /// The next journal of which this process is the owner and that another process asks for. Its owner should stop writing it
    /// soon and call [`release`](Self::release). It may be named more than once. Never ready where a store has one process only.
    fn wanted(&self) -> Pin<Box<dyn Future<Output = JournalId> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}
