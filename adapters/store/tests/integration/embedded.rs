//! The embedded store does what every store must do.

use futures_executor::block_on;
use unbroken_store::{Embedded, Fence, JournalId, KeptJournal, Store};

use crate::folder::Folder;

pub(crate) fn id(name: &str) -> JournalId {
    name.parse().unwrap()
}

pub(crate) fn open(store: &Embedded, name: &str) -> (Fence, KeptJournal) {
    let opened = block_on(store.open(&id(name))).unwrap();
    (opened.fence, opened.journal)
}

fn run(check: impl AsyncFnOnce(&dyn Store)) {
    let folder = Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    block_on(check(&store));
}

crate::suite::conformance!(run);
