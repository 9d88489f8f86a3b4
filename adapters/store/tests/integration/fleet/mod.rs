//! What several nodes do, and what servers do to them.

mod cluster;
mod handover;
mod lost;
mod outage;
mod room;
pub(crate) mod server;
mod strangers;

use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use unbroken_store::{Fence, JournalId, Store, StoreError};

use crate::folder::Random;
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

#[test]
fn it_can_be_polled_where_there_is_no_runtime() {
    server::with_server(async |server| {
        let store = server.node(|_| {}).await;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let id = fresh("elsewhere");
                let fence = block_on(open(&store, &id, &[]));
                block_on(store.append(&id, fence, 1, &numbered(1..=3))).unwrap();
                block_on(store.replace(&id, fence, &snapshot(2))).unwrap();
                let opened = block_on(store.open(&id)).unwrap();
                assert_eq!(opened.journal.records, numbered([3]));
                assert!(block_on(store.list()).unwrap().contains(&id));
                // A call that is dropped ends its timers here, too.
                let mut call = store.open(&id);
                let _ = call
                    .as_mut()
                    .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
                drop(call);
                block_on(store.remove(&id, opened.fence)).unwrap();
            });
        });
    });
}
