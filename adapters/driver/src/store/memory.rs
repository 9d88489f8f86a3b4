//! A store that lasts as long as the process: for tests, and to try things out.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Mutex;
use std::time::Instant;

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
    /// The session is over, and this is left of it.
    is_over: bool,
    /// When that is deleted.
    expires: Option<Instant>,
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.journal.snapshot.is_none() && self.journal.records.is_empty()
    }

    /// What is there now: nothing, if its time is over.
    fn current(&mut self) -> &mut Kept {
        self.expire();
        self
    }

    fn expire(&mut self) {
        if self.expires.is_some_and(|expires| expires <= Instant::now()) {
            self.forget();
        }
    }

    /// The fence stays, so that whoever owned it before knows.
    fn forget(&mut self) {
        *self = Kept {
            fence: self.fence + 1,
            ..Kept::default()
        };
    }
}

impl MemoryStore {
    fn named(&self, which: impl Fn(&Kept) -> bool) -> Vec<JournalId> {
        let mut journals = lock(&self.journals);
        journals.values_mut().for_each(Kept::expire);
        let kept = journals.iter().filter(|(_, kept)| !kept.is_empty() && which(kept));
        kept.map(|(id, _)| id.clone()).collect()
    }

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
        let kept = journals.get_mut(id).map(Kept::current);
        let owned = kept.filter(|kept| kept.fence == fence.0);
        Box::pin(ready(owned.ok_or(StoreError::Fenced).and_then(change)))
    }
}

impl Store for MemoryStore {
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened> {
        let mut journals = lock(&self.journals);
        let kept = journals.entry(id.clone()).or_default().current();
        kept.fence += 1;
        let (fence, journal) = (Fence(kept.fence), kept.journal.clone());
        Box::pin(ready(Ok(Opened { fence, journal })))
    }

    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal> {
        let mut journals = lock(&self.journals);
        let kept = journals.get_mut(id).map(|kept| kept.current().journal.clone());
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
            // One that is too long for the clock is as good as for ever.
            kept.expires = snapshot.keep_for.and_then(|time| Instant::now().checked_add(time));
            kept.is_over = snapshot.keep_for.is_some();
            Ok(())
        })
    }

    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.with(id, fence, |kept| {
            kept.forget();
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
        Box::pin(ready(Ok(self.named(|_| true))))
    }

    fn abandoned(&self) -> StoreFuture<'_, Vec<JournalId>> {
        Box::pin(ready(Ok(self.named(|kept| !kept.is_over))))
    }
}
