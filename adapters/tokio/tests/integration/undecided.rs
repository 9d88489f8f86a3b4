//! Decisions of the application that are never made: whose limit they cost.

use std::future::pending;

use tokio::net::TcpListener;
use unbroken_tokio::Server;

use crate::common::{Carrier, LIMIT, client_config, connect, eventually, server_config, soon};

/// Both come from one place, which may have two handshakes under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_is_never_made_is_in_nobody_elses_way() {
    let mut config = server_config();
    config.max_handshakes_per_peer = 2;
    // Nothing here ends because time is over.
    config.session.handshake_timeout = 2 * LIMIT;
    let mut server = Server::with_authorise(config, |request| async move {
        if request.name == "undecided" {
            pending::<()>().await;
        }
        Ok(())
    })
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    server.listen_tcp(listener);
    let undecided = [(); 2].map(|()| {
        let mut config = client_config();
        "undecided".clone_into(&mut config.name);
        config.session.handshake_timeout = 2 * LIMIT;
        connect(Carrier::Tcp, address, config)
    });
    eventually("both wait for a decision", || {
        server.handle().snapshot().handshakes == undecided.len()
    })
    .await;
    for _ in 0..3 {
        let session = connect(Carrier::Tcp, address, client_config());
        soon("a session", server.accept()).await;
        assert!(soon("its name", session.established()).await.is_ok());
    }
    assert_eq!(
        server.handle().snapshot().refused.peer_limit,
        0,
        "who was told to come later"
    );
}
