//! Both ends of a session over loopback TCP.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_store::Store;
use unbroken_tokio::proto::config::Rate;
use unbroken_tokio::proto::security::{AtRest, Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Address, Server, Session, connect_durable, connect_with, connector};

pub(crate) struct Pair {
    pub(crate) client: Session,
    pub(crate) server: Session,
    pub(crate) is_durable: bool,
    /// Its sessions live as long as it does.
    _listening: Server,
}

fn secret() -> SharedSecret {
    SharedSecret::from_key(b"bench", [1; 32]).unwrap()
}

pub(crate) fn client_config() -> ClientConfig {
    ClientConfig::new(Auth::secret(secret()))
}

/// All come from one address, with one secret.
pub(crate) fn server_config() -> ServerConfig {
    let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret()]));
    let rate = Rate {
        per_second: 100_000,
        burst: 100_000,
    };
    (config.peer_hellos, config.peer_resumes) = (Some(rate), Some(rate));
    (config.hello_rate, config.max_handshakes_per_peer) = (100_000, 1 << 20);
    (config.max_silent, config.max_handshakes) = (1 << 20, 1 << 20);
    (config.max_sessions, config.max_sessions_per_identity) = (1 << 20, 1 << 20);
    config
}

impl Pair {
    /// The client's store and the server's, if it is durable.
    pub(crate) async fn new(stores: Option<[Arc<dyn Store>; 2]>) -> Pair {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let connector = connector(Address::parse(&address).unwrap());
        let is_durable = stores.is_some();
        let (mut config, mut theirs) = (client_config(), server_config());
        if is_durable {
            config.session.durable = Some(AtRest::sealed([5; 32]));
            theirs.session.durable = Some(AtRest::sealed([6; 32]));
        }
        let mut listening = Server::new(theirs).unwrap();
        let client = match stores {
            Some([store, kept]) => {
                assert!(listening.restore(kept).await.unwrap().is_empty());
                let id = "client".parse().unwrap();
                connect_durable(config, connector, store, id).await.unwrap()
            }
            None => connect_with(config, connector).unwrap(),
        };
        listening.listen_tcp(listener);
        let server = listening.accept().await.session;
        Pair {
            client,
            server,
            is_durable,
            _listening: listening,
        }
    }

    /// Ends the session, of which a tombstone is left in the store of the server.
    pub(crate) async fn close(self) {
        self.client.close(0, Bytes::new()).await.unwrap();
        self.client.disconnected().await;
        self.server.closed().await;
        self.server.disconnected().await;
    }
}
