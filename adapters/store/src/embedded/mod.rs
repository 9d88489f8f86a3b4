//! A store in a folder of this machine, for one process.

mod error;
mod expiry;
mod folder;
mod journals;
mod options;
mod statements;
mod sum;
mod tables;
mod writer;

use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use futures_channel::oneshot;
use unbroken_driver::store::{Fence, JournalId, KeptJournal, Opened, Snapshot, Store, StoreError, StoreFuture};

pub use self::error::OpenError;
use self::error::ended;
use self::journals::{Change, Done, Request};
pub use self::options::EmbeddedOptions;
use self::writer::Call;

/// A [`Store`] in a folder of this machine: an SQLite database, for one process at a time.
///
/// One thread writes, and commits in one transaction all that came while it was busy with the one before: what a commit
/// costs is shared by the sessions that wait for it. Dropping the store ends the thread, after the commit that is under way;
/// until then the drop blocks.
#[derive(Debug)]
pub struct Embedded {
    /// `None` once it is dropped.
    calls: Option<mpsc::Sender<Call>>,
    /// `None` once it is dropped.
    writer: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Opens the store in that folder, or makes it. What has expired is deleted. Blocks: reads the whole database, to find damage.
    ///
    /// On Unix, a new folder can be entered by its owner alone, and so can its files be read; a folder that is there keeps its
    /// permissions.
    ///
    /// # Errors
    /// [`OpenError::InUse`], if another process (or this one) has it open; [`OpenError::Unknown`], if the database there is
    /// another program's or a later version's; [`OpenError::Damaged`]; [`OpenError::Full`]; [`OpenError::Io`], if the folder cannot
    /// be made or read; [`OpenError::Failed`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Embedded, OpenError> {
        Embedded::open_with(folder, &EmbeddedOptions::default())
    }

    /// As [`open`](Self::open), with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(folder: impl AsRef<Path>, options: &EmbeddedOptions) -> Result<Embedded, OpenError> {
        let file = folder::prepare(folder.as_ref())?;
        let database = tables::open(&file, options)?;
        let (calls, queue) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("unbroken-store".to_owned())
            .spawn(move || writer::run(database, queue))?;
        Ok(Embedded {
            calls: Some(calls),
            writer: Some(writer),
        })
    }

    /// Hands a request to the writer, and waits for its answer.
    async fn ask(&self, request: Request) -> Result<Done, StoreError> {
        let (reply, answer) = oneshot::channel();
        let calls = self.calls.as_ref().ok_or_else(ended)?;
        calls.send(Call { request, reply }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    fn named(&self, all: bool) -> StoreFuture<'_, Vec<JournalId>> {
        Box::pin(async move {
            match self.ask(Request::List { all }).await? {
                Done::Listed(ids) => Ok(ids),
                Done::Opened(_) | Done::Read(_) | Done::Changed => Err(ended()),
            }
        })
    }

    fn change<'a>(&'a self, id: &JournalId, fence: Fence, change: Change) -> StoreFuture<'a, ()> {
        let id = id.clone();
        let request = Request::Change { id, fence, change };
        Box::pin(async move { self.ask(request).await.map(|_| ()) })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Without a sender the writer ends.
        self.calls = None;
        let Some(writer) = self.writer.take() else { return };
        // An answer may wake a task that drops the store right there, on the writer's own thread.
        if writer.thread().id() != thread::current().id() {
            // It has said so to all who waited, if it panicked.
            let _ = writer.join();
        }
    }
}

impl Store for Embedded {
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened> {
        Box::pin(async move {
            match self.ask(Request::Open(id.clone())).await? {
                Done::Opened(opened) => Ok(opened),
                Done::Read(_) | Done::Listed(_) | Done::Changed => Err(ended()),
            }
        })
    }

    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal> {
        Box::pin(async move {
            match self.ask(Request::Read(id.clone())).await? {
                Done::Read(journal) => Ok(journal),
                Done::Opened(_) | Done::Listed(_) | Done::Changed => Err(ended()),
            }
        })
    }

    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()> {
        let records = records.to_vec();
        self.change(id, fence, Change::Append { first, records })
    }

    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()> {
        self.change(id, fence, Change::Replace(snapshot.clone()))
    }

    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.change(id, fence, Change::Remove)
    }

    fn release<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.change(id, fence, Change::Release)
    }

    fn list(&self) -> StoreFuture<'_, Vec<JournalId>> {
        self.named(true)
    }

    fn abandoned(&self) -> StoreFuture<'_, Vec<JournalId>> {
        self.named(false)
    }
}
