//! What several nodes do, and what servers do to them.

mod handover;
mod lost;
mod outage;
mod room;
pub(crate) mod server;
mod strangers;

use bytes::Bytes;
use unbroken_store::{Fence, JournalId, Store, StoreError};

pub(crate) use crate::suite::{fresh, numbered, snapshot};

/// Opens the journal, which must be free or given up, and holds its records to that.
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
