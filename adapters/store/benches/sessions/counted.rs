//! A store that counts what is written to it, which shows how many messages share a write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use unbroken_store::{Fence, JournalId, KeptJournal, Opened, Snapshot, Store, StoreFuture};

pub(crate) struct Counted {
    store: Arc<dyn Store>,
    writes: AtomicU64,
}

impl Counted {
    pub(crate) fn new(store: Arc<dyn Store>) -> Counted {
        Counted {
            store,
            writes: AtomicU64::new(0),
        }
    }

    /// So far.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Store for Counted {
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened> {
        self.store.open(id)
    }

    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal> {
        self.store.read(id)
    }

    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()> {
        self.count();
        self.store.append(id, fence, first, records)
    }

    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()> {
        self.count();
        self.store.replace(id, fence, snapshot)
    }

    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.store.remove(id, fence)
    }

    fn release<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.store.release(id, fence)
    }

    fn list(&self) -> StoreFuture<'_, Vec<JournalId>> {
        self.store.list()
    }

    fn abandoned(&self) -> StoreFuture<'_, Vec<JournalId>> {
        self.store.abandoned()
    }
}
