//! The store in NATS JetStream, against real servers on this machine.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fleet;
mod suite;

use unbroken_store::Store;

/// Runs a check of the suite on a node of its own, and a server of its own.
fn run(check: impl AsyncFnOnce(&dyn Store)) {
    fleet::server::with_server(async |server| {
        let store = server.node(|_| {}).await;
        check(&store).await;
    });
}

suite::conformance!(run);
