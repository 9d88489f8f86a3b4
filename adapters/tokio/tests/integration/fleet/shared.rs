//! A store that several nodes of one process share, and a load balancer that leads a client to one of them.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use unbroken_tokio::driver::store::{
    Fence, JournalId, KeptJournal, MemoryStore, Opened, Snapshot, Store, StoreError, StoreFuture,
};

/// What the nodes have in common.
#[derive(Default)]
pub(crate) struct Shelf {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    store: MemoryStore,
    /// An owner is asked before it loses a journal.
    polite: bool,
    owners: Mutex<HashMap<JournalId, &'static str>>,
    released: Notify,
    asked: Mutex<HashMap<&'static str, mpsc::UnboundedSender<JournalId>>>,
    reads_fail: AtomicBool,
    reads_hang: AtomicBool,
    releases_fail: AtomicUsize,
    is_full: AtomicBool,
}

/// One process's way to it.
pub(crate) struct Node {
    name: &'static str,
    inner: Arc<Inner>,
    wanted: tokio::sync::Mutex<mpsc::UnboundedReceiver<JournalId>>,
    lists_all: AtomicBool,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("a test".into())
}

impl Shelf {
    pub(crate) fn polite() -> Shelf {
        let polite = true;
        let inner = Arc::new(Inner {
            polite,
            ..Inner::default()
        });
        Shelf { inner }
    }

    pub(crate) fn rude() -> Shelf {
        Shelf::default()
    }

    pub(crate) fn node(&self, name: &'static str) -> Node {
        let (asked, wanted) = mpsc::unbounded_channel();
        self.inner.asked.lock().unwrap().insert(name, asked);
        Node {
            name,
            inner: Arc::clone(&self.inner),
            wanted: tokio::sync::Mutex::new(wanted),
            lists_all: AtomicBool::new(false),
        }
    }

    pub(crate) fn fail_reads(&self, fail: bool) {
        self.inner.reads_fail.store(fail, Ordering::Relaxed);
    }

    /// Nothing comes of one.
    pub(crate) fn hang_reads(&self, hang: bool) {
        self.inner.reads_hang.store(hang, Ordering::Relaxed);
    }

    /// There is no room for what is left of a session.
    pub(crate) fn fill(&self) {
        self.inner.is_full.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn list(&self) -> Vec<JournalId> {
        self.inner.store.list().await.unwrap()
    }

    /// The next ones, so many.
    pub(crate) fn fail_releases(&self, count: usize) {
        self.inner.releases_fail.store(count, Ordering::Relaxed);
    }
}

impl Node {
    /// As if all of them had been abandoned a moment ago.
    pub(crate) fn list_all_as_abandoned(&self) {
        self.lists_all.store(true, Ordering::Relaxed);
    }

    fn owner(&self, id: &JournalId) -> Option<&'static str> {
        self.inner.owners.lock().unwrap().get(id).copied()
    }

    fn is_another_ones(&self, id: &JournalId) -> bool {
        self.owner(id).is_some_and(|owner| owner != self.name)
    }

    async fn ask(&self, id: &JournalId) -> Result<(), StoreError> {
        for _ in 0..200 {
            let Some(owner) = self.owner(id).filter(|owner| *owner != self.name) else {
                return Ok(());
            };
            let _gone = self.inner.asked.lock().unwrap()[owner].send(id.clone());
            let _late = tokio::time::timeout(Duration::from_millis(20), self.inner.released.notified()).await;
        }
        Err(unavailable())
    }

    async fn leave(&self, id: &JournalId, left: Result<(), StoreError>) -> Result<(), StoreError> {
        if left.is_ok() {
            self.inner.owners.lock().unwrap().remove(id);
            self.inner.released.notify_waiters();
        }
        left
    }
}

impl Store for Node {
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened> {
        Box::pin(async move {
            if self.inner.polite {
                self.ask(id).await?;
            }
            let opened = self.inner.store.open(id).await?;
            self.inner.owners.lock().unwrap().insert(id.clone(), self.name);
            Ok(opened)
        })
    }

    fn open_abandoned<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Option<Opened>> {
        Box::pin(async move {
            match self.is_another_ones(id) {
                true => Ok(None),
                false => self.open(id).await.map(Some),
            }
        })
    }

    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal> {
        if self.inner.reads_hang.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        match self.inner.reads_fail.load(Ordering::Relaxed) {
            true => Box::pin(std::future::ready(Err(unavailable()))),
            false => self.inner.store.read(id),
        }
    }

    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()> {
        self.inner.store.append(id, fence, first, records)
    }

    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()> {
        let is_full = snapshot.keep_for.is_some() && self.inner.is_full.load(Ordering::Relaxed);
        match is_full {
            true => Box::pin(std::future::ready(Err(StoreError::Full("a test".into())))),
            false => self.inner.store.replace(id, fence, snapshot),
        }
    }

    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let left = self.inner.store.remove(id, fence).await;
            self.leave(id, left).await
        })
    }

    fn release<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let fails = self
                .inner
                .releases_fail
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if fails.is_ok() {
                return Err(unavailable());
            }
            let left = self.inner.store.release(id, fence).await;
            self.leave(id, left).await
        })
    }

    fn list(&self) -> StoreFuture<'_, Vec<JournalId>> {
        self.inner.store.list()
    }

    fn abandoned(&self) -> StoreFuture<'_, Vec<JournalId>> {
        Box::pin(async move {
            let mut ids = self.inner.store.abandoned().await?;
            let all = self.lists_all.load(Ordering::Relaxed);
            ids.retain(|id| all || self.owner(id).is_none());
            Ok(ids)
        })
    }

    fn wanted(&self) -> Pin<Box<dyn Future<Output = JournalId> + Send + '_>> {
        Box::pin(async move {
            match self.wanted.lock().await.recv().await {
                Some(id) => id,
                None => std::future::pending().await,
            }
        })
    }
}

/// Where the client believes its server to be.
pub(crate) struct Lead {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    cut: Arc<Notify>,
}

impl Lead {
    pub(crate) async fn new(first: SocketAddr) -> Lead {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lead = Lead {
            address: listener.local_addr().unwrap(),
            target: Arc::new(Mutex::new(first)),
            cut: Arc::default(),
        };
        let (target, cut) = (Arc::clone(&lead.target), Arc::clone(&lead.cut));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (target, cut) = (*target.lock().unwrap(), Arc::clone(&cut));
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        () = cut.notified() => {}
                    }
                });
            }
        });
        lead
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the connection; the next one goes there.
    pub(crate) fn to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
        self.cut.notify_waiters();
    }
}
