//! What several nodes do, and what servers do to them.

mod cluster;
mod handover;
mod lost;
mod outage;
mod room;
pub(crate) mod server;
mod strangers;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use unbroken_store::{Fence, JournalId, Store, StoreError};

use crate::suite::{fresh, numbered, snapshot};

/// Opens the journal, and holds its records to that.
async fn open(store: &dyn Store, id: &JournalId, records: &[Bytes]) -> Fence {
    let opened = store.open(id).await.unwrap();
    assert_eq!(opened.journal.records, records, "the records of {id}");
    opened.fence
}

fn is_fenced<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Fenced))
}

fn is_unavailable<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

/// Says it again until it is answered otherwise, as an owner does.
async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    loop {
        match call().await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => return answer,
        }
    }
}

/// Random numbers from a seed, which is printed where a test fails (`UNBROKEN_SEED` repeats it).
struct Random(u64);

impl Random {
    fn new(test: &str) -> Random {
        let seed = std::env::var("UNBROKEN_SEED").ok().and_then(|seed| seed.parse().ok());
        let nanos = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let seed = seed.unwrap_or_else(|| u64::from(nanos()));
        println!("{test}: UNBROKEN_SEED={seed}");
        Random(seed)
    }

    /// One of so many.
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % count
    }
}

/// Wakes the thread that waits.
struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future where there is no runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(answer) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return answer;
        }
        std::thread::park();
    }
}

#[test]
fn it_can_be_polled_where_there_is_no_runtime() {
    server::with_server(async |server| {
        let store = server.node(|_| {}).await;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let id = fresh("elsewhere");
                let fence = wait(open(&store, &id, &[]));
                wait(store.append(&id, fence, 1, &numbered(1..=3))).unwrap();
                wait(store.replace(&id, fence, &snapshot(2))).unwrap();
                let opened = wait(store.open(&id)).unwrap();
                assert_eq!(opened.journal.records, numbered([3]));
                assert!(wait(store.list()).unwrap().contains(&id));
                // A call that is dropped ends its timers here, too.
                let mut call = store.open(&id);
                let _ = call
                    .as_mut()
                    .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
                drop(call);
                wait(store.remove(&id, opened.fence)).unwrap();
            });
        });
    });
}
