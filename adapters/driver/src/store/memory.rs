//! A store that lasts as long as the process: for tests, and to try things out.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Mutex;

use bytes::Bytes;

use super::contract::{Store, StoreFuture};
use super::error::StoreError;
use super::journal::{Fence, JournalId, KeptJournal, Opened, Snapshot};
use crate::sync::lock;

/// A [`Store`] in memory: what it keeps is gone with the process, so that it makes nothing durable. It keeps every promise but that one.
///
/// ```
/// # use unbroken_driver::store::{MemoryStore, Store};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # smol::block_on(async {
/// let store = MemoryStore::default();
/// let id = "laptop".parse()?;
/// let opened = store.open(&id).await?;
/// store.append(&id, opened.fence, 1, &["first".into()]).await?;
/// assert_eq!(store.open(&id).await?.journal.records, ["first"]);
/// assert!(store.append(&id, opened.fence, 2, &["late".into()]).await.is_err(), "another owner has it");
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    journals: Mutex<BTreeMap<JournalId, Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    fence: u64,
    /// The number of the last record or snapshot.
    last: u64,
    journal: KeptJournal,
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.journal.snapshot.is_none() && self.journal.records.is_empty()
    }
}

impl MemoryStore {
    fn with<T>(
        &self,
        id: &JournalId,
        fence: Fence,
        change: impl FnOnce(&mut Kept) -> Result<T, StoreError>,
    ) -> StoreFuture<'_, T>
    where
        T: Send + 'static,
    {
        let mut journals = lock(&self.journals);
        let owned = journals.get_mut(id).filter(|kept| kept.fence == fence.0);
        Box::pin(ready(owned.ok_or(StoreError::Fenced).and_then(change)))
    }
}

impl Store for MemoryStore {
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened> {
        let mut journals = lock(&self.journals);
        let kept = journals.entry(id.clone()).or_default();
        kept.fence += 1;
        let (fence, journal) = (Fence(kept.fence), kept.journal.clone());
        Box::pin(ready(Ok(Opened { fence, journal })))
    }

    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal> {
        let kept = lock(&self.journals).get(id).map(|kept| kept.journal.clone());
        Box::pin(ready(Ok(kept.unwrap_or_default())))
    }

    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()> {
        self.with(id, fence, |kept| {
            if first > kept.last + 1 {
                return Err(StoreError::Gap { first, kept: kept.last });
            }
            let known = usize::try_from(kept.last + 1 - first).unwrap_or(usize::MAX);
            let new = records.get(known..).unwrap_or_default();
            kept.journal.records.extend_from_slice(new);
            kept.last += new.len() as u64;
            Ok(())
        })
    }

    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()> {
        self.with(id, fence, |kept| {
            let behind = usize::try_from(kept.last.saturating_sub(snapshot.through)).unwrap_or(usize::MAX);
            let records = &mut kept.journal.records;
            records.drain(..records.len().saturating_sub(behind));
            kept.last = kept.last.max(snapshot.through);
            kept.journal.snapshot = Some((snapshot.through, snapshot.bytes.clone()));
            Ok(())
        })
    }

    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.with(id, fence, |kept| {
            // The fence stays, so that whoever owned it before knows.
            *kept = Kept {
                fence: kept.fence + 1,
                ..Kept::default()
            };
            Ok(())
        })
    }

    fn release<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.with(id, fence, |kept| {
            kept.fence += 1;
            Ok(())
        })
    }

    fn list(&self) -> StoreFuture<'_, Vec<JournalId>> {
        let journals = lock(&self.journals);
        let kept = journals.iter().filter(|(_, kept)| !kept.is_empty());
        let ids = kept.map(|(id, _)| id.clone()).collect();
        Box::pin(ready(Ok(ids)))
    }
}
