//! The embedded store does what every store must do.

use unbroken_store::{Embedded, Store};

use crate::folder::Folder;

fn run(check: impl AsyncFnOnce(&dyn Store)) {
    let folder = Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    futures_executor::block_on(check(&store));
}

crate::suite::conformance!(run);
