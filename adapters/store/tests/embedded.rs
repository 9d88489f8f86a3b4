//! The embedded store does what every store must do.
#![allow(clippy::unwrap_used, reason = "tests")]

mod folder;
mod suite;

use unbroken_store::{Embedded, Store};

fn run(check: impl AsyncFnOnce(&dyn Store)) {
    let folder = folder::Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    futures_executor::block_on(check(&store));
}

suite::conformance!(run);
