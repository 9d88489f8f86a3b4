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
