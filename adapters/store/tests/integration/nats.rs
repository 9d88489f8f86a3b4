//! The store in NATS JetStream, against real servers on this machine.

use unbroken_store::Store;

use crate::fleet;

/// Runs a check of the suite on a node of its own, and a server of its own.
fn run(check: impl AsyncFnOnce(&dyn Store)) {
    fleet::server::with_server(async |server| {
        let store = server.node(|_| {}).await;
        check(&store).await;
    });
}

crate::suite::conformance!(run);
