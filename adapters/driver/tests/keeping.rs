//! What becomes of the journal of a session that is over, where the store has trouble. No runtime: the driver is polled by hand, and time passes
//! as fast as it is waited for.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::future::{Future, pending, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use common::NoStream;
use unbroken_driver::proto::config::Seed;
use unbroken_driver::proto::event::EndReason;
use unbroken_driver::proto::security::{AtRest, Auth};
use unbroken_driver::proto::stream::StreamOptions;
use unbroken_driver::proto::{ClientConfig, Duration, Instant, ReconnectIntent};
use unbroken_driver::store::{
    Fence, JournalId, KeptJournal, MemoryStore, Opened, Snapshot, Store, StoreError, StoreFuture,
};
use unbroken_driver::{ConnectError, Connected, Driver, Runtime, Session, connect_durable};

/// Whoever sleeps has slept at once.
#[derive(Clone, Default)]
struct Passing(Arc<AtomicU64>);

impl Passing {
    fn passed(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Runtime for Passing {
    type Stream = NoStream;
    type Listener = ();

    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + 'static {
        let clock = Arc::clone(&self.0);
        async move {
            clock.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
        }
    }

    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}

    fn resolve(&self, _: &str, _: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        pending()
    }

    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<NoStream>> + Send + 'static {
        pending()
    }

    fn accept(&self, _: &()) -> impl Future<Output = io::Result<(NoStream, Option<IpAddr>)>> + Send {
        pending()
    }
}

/// A store that fails when it is told to.
#[derive(Default)]
struct Troubled {
    store: MemoryStore,
    appends_fail: AtomicBool,
    /// So many times it cannot be reached by who has done with a journal.
    away: AtomicUsize,
}

impl Troubled {
    fn journals(&self) -> usize {
        now(self.store.list()).unwrap().len()
    }
}

impl Store for Troubled {
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened> {
        self.store.open(id)
    }

    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal> {
        self.store.read(id)
    }

    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()> {
        match self.appends_fail.load(Ordering::Relaxed) {
            true => Box::pin(ready(Err(StoreError::Failed("a test".into())))),
            false => self.store.append(id, fence, first, records),
        }
    }

    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()> {
        self.store.replace(id, fence, snapshot)
    }

    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        let is_away = |left: usize| left.checked_sub(1);
        match self.away.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_away) {
            Ok(_) => Box::pin(ready(Err(StoreError::Unavailable("a test".into())))),
            Err(_) => self.store.remove(id, fence),
        }
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

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future gives that must not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// A durable session that nobody answers, and which is kept.
fn session(runtime: &Passing, store: &Arc<Troubled>) -> (Session, Pin<Box<Driver>>) {
    let mut config = ClientConfig::new(Auth::anonymous());
    config.session.durable = Some(AtRest::in_the_clear());
    let connector = |_: ReconnectIntent| pending::<Result<Connected, ConnectError>>();
    let (store, id) = (Arc::clone(store) as Arc<dyn Store>, "client".parse().unwrap());
    let begun = now(connect_durable(runtime, config, Seed([1; 32]), connector, store, id));
    let (session, driver) = begun.unwrap();
    let mut driver = Box::pin(driver);
    assert!(poll(driver.as_mut()).is_pending());
    (session, driver)
}

fn abort_and_drive_to_end(session: &Session, mut driver: Pin<Box<Driver>>) {
    // What this process decides alone is told once the store has something behind it.
    assert!(poll(pin!(session.abort())).is_pending());
    let is_over = (0..1_000).any(|_| poll(driver.as_mut()).is_ready());
    assert!(is_over, "the driver has something to do");
    assert_eq!(session.ended().unwrap().reason, EndReason::Aborted);
}

/// Found by a reviewer: after six seconds nobody asked any more, and the session came back with the next process.
#[test]
fn a_session_that_is_over_is_removed_however_long_the_store_is_away() {
    let (runtime, store) = (Passing::default(), Arc::<Troubled>::default());
    let (session, driver) = session(&runtime, &store);
    assert_eq!(store.journals(), 1);
    store.away.store(20, Ordering::Relaxed);
    let before = runtime.passed();
    abort_and_drive_to_end(&session, driver);
    assert_eq!(store.journals(), 0);
    let waited = runtime.passed() - before;
    assert!(waited > Duration::from_secs(30), "{waited:?}: it is asked now and then");
}

/// Found by a reviewer: what is kept then is a session that is not over, and was deleted.
#[test]
fn an_end_behind_which_the_store_fails_leaves_the_session_to_the_next_process() {
    let (runtime, store) = (Passing::default(), Arc::<Troubled>::default());
    let (session, driver) = session(&runtime, &store);
    let mut stream = now(session.open(StreamOptions::default())).unwrap();
    now(stream.sender().send("not kept".into())).unwrap();
    store.appends_fail.store(true, Ordering::Relaxed);
    abort_and_drive_to_end(&session, driver);
    assert_eq!(store.journals(), 1);
    assert!(session.store_error().is_some());
}
