//! A client whose process ends with its session.

use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use unbroken_tokio::Server;
use unbroken_tokio::proto::event::EndReason;

use crate::common::{Carrier, client_config, connect, listen, server_config, soon};

/// Whoever ends its process once no connection is left does not leave the server waiting for what it had still to say.
#[test]
fn a_client_that_is_disconnected_has_told_the_server_so() {
    let serving = Runtime::new().unwrap();
    let (mut server, address) = serving.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = server_config();
        config.session.linger = Duration::from_secs(3_600);
        let server = Server::new(config).unwrap();
        listen(&server, Carrier::Tcp, listener);
        (server, address)
    });
    for _ in 0..40 {
        let leaving = Runtime::new().unwrap();
        let session = leaving.block_on(async {
            let client = connect(Carrier::Tcp, address, client_config());
            let session = soon("a session", server.accept()).await.session;
            let early = tokio::time::timeout(Duration::ZERO, client.disconnected()).await;
            assert!(early.is_err(), "the session lives");
            client.close(0, Bytes::new()).await.unwrap();
            soon("no connection", client.disconnected()).await;
            session
        });
        leaving.shutdown_background();
        let ended = serving.block_on(soon("the end", session.closed()));
        assert!(matches!(ended.reason, EndReason::Closed { .. }), "{ended:?}");
        assert_eq!(session.peer_address(), Some(address.ip()));
    }
}
