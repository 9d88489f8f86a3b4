//! What every [`Store`] must do, as asynchronous functions that any runtime can run.
//!
//! A test of a store has `mod suite;`, a function `run` that makes a store and runs a check on it to its end, and
//! `suite::conformance!(run);`, which makes a test of each check:
//!
//! ```ignore
//! fn run(check: impl AsyncFnOnce(&dyn Store)) {
//!     let runtime = tokio::runtime::Runtime::new().unwrap();
//!     runtime.block_on(async { check(&MyStore::connect().await.unwrap()).await });
//! }
//! ```
//!
//! The store need not be empty, and several tests may share it: each check takes names that nobody else has.
#![allow(clippy::unwrap_used, reason = "tests")]

mod life;
mod writing;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use unbroken_store::{Fence, JournalId, KeptJournal, Snapshot, Store, StoreError};

pub(crate) use self::life::{
    an_expired_journal_goes, empty_journals, fences_grow, names_at_their_limits, release, remove, the_late_writer,
    what_is_left_of_a_session_stays_until_then,
};
pub(crate) use self::writing::{
    a_dropped_call_is_whole, gaps, large_records, many_journals_at_once, order, repeats, replace, replace_again,
    replace_ahead, roundtrip,
};

/// Makes a test of each check; `$run` takes one and a store of its own to run it on.
macro_rules! conformance {
    ($run:path) => {
        $crate::suite::conformance!(@ $run:
            roundtrip, order, repeats, gaps, large_records, many_journals_at_once, a_dropped_call_is_whole,
            replace, replace_ahead, replace_again,
            fences_grow, the_late_writer, empty_journals, names_at_their_limits, remove, release,
            an_expired_journal_goes, what_is_left_of_a_session_stays_until_then
        );
    };
    (@ $run:path: $($check:ident),*) => {
        $(
            #[test]
            fn $check() {
                $run($crate::suite::$check);
            }
        )*
    };
}
pub(crate) use conformance;

/// A name that begins with that, and that no other call of this has returned, nor one in another process.
pub(crate) fn fresh(beginning: &str) -> JournalId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{beginning}-{nanos:x}-{}-{number}", std::process::id())
        .parse()
        .unwrap()
}

/// Records that say which ones they are.
pub(crate) fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<Bytes> {
    numbers
        .into_iter()
        .map(|number| Bytes::from(format!("record {number}")))
        .collect()
}

/// A snapshot that says what it stands for.
pub(crate) fn snapshot(through: u64) -> Snapshot {
    Snapshot {
        through,
        bytes: Bytes::from(format!("snapshot {through}")),
        keep_for: None,
    }
}

/// What is kept of a journal, and the right to go on with it.
async fn kept(store: &dyn Store, id: &JournalId) -> (Fence, KeptJournal) {
    let read = store.read(id).await.unwrap();
    let opened = store.open(id).await.unwrap();
    let journal = &opened.journal;
    assert_eq!(
        (&read.snapshot, &read.records),
        (&journal.snapshot, &journal.records),
        "read of {id}"
    );
    (opened.fence, opened.journal)
}

/// Opens the journal and holds it to that, whenever it was written.
async fn expect(
    store: &dyn Store,
    id: &JournalId,
    through: Option<u64>,
    numbers: impl IntoIterator<Item = u64>,
) -> Fence {
    let (fence, journal) = kept(store, id).await;
    let wanted = through.map(|through| (through, snapshot(through).bytes));
    assert_eq!(journal.snapshot, wanted, "the snapshot of {id}");
    assert_eq!(journal.records, numbered(numbers), "the records of {id}");
    fence
}

async fn is_listed(store: &dyn Store, id: &JournalId) -> bool {
    store.list().await.unwrap().contains(id)
}

fn is_fenced<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Fenced))
}
