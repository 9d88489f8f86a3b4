//! Who connects to whom, over what.

use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;

use bytes::Bytes;
use unbroken_carriers::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use unbroken_carriers::{Acceptor, Address, Tls, TlsServer};
use unbroken_proto::reconnect::Backoff;
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_proto::{ClientConfig, Duration, ServerConfig};

use crate::adapter::{Adapter, Server, Session};

/// A kind of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Packets on TCP.
    Tcp,
    /// WebSocket.
    Ws,
    /// Packets on TLS.
    Tls,
    /// WebSocket in TLS.
    Wss,
}

impl Carrier {
    /// Where a client finds a server on a local port.
    #[must_use]
    pub fn address(self, address: SocketAddr) -> Address {
        let url = match self {
            Carrier::Tcp => format!("tcp://{address}"),
            Carrier::Ws => format!("ws://{address}/sessions?of=tests"),
            Carrier::Tls => format!("tls://{address}"),
            Carrier::Wss => format!("wss://{address}/sessions?of=tests"),
        };
        let address = Address::parse(&url).expect("because it is an address");
        address.tls(certificates().0.clone())
    }

    /// What a server does with a connection.
    #[must_use]
    pub fn acceptor(self) -> Acceptor {
        let tls = certificates().1.clone();
        match self {
            Carrier::Tcp => Acceptor::tcp(),
            Carrier::Ws => Acceptor::websocket(),
            Carrier::Tls => Acceptor::tcp().tls(tls),
            Carrier::Wss => Acceptor::websocket().tls(tls),
        }
    }
}

/// A certificate made for these tests, and who trusts it.
pub fn certificates() -> &'static (Tls, TlsServer) {
    static MADE: OnceLock<(Tls, TlsServer)> = OnceLock::new();
    MADE.get_or_init(|| {
        let (certificate, key) = identity();
        let server = TlsServer::new(vec![certificate.clone()], key).expect("because they belong together");
        (
            Tls::trusting([certificate]).expect("because it is a certificate"),
            server,
        )
    })
}

/// What the servers of these tests show, and its key.
#[must_use]
pub fn identity() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    static MADE: OnceLock<(CertificateDer<'static>, PrivateKeyDer<'static>)> = OnceLock::new();
    let (certificate, key) = MADE.get_or_init(|| certificate(&["localhost", "127.0.0.1"]));
    (certificate.clone(), key.clone_key())
}

/// A certificate signed by itself for `names`, and its key.
#[must_use]
pub fn certificate(names: &[&str]) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("because the names are well formed");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("because it is a key");
    (made.cert.into(), key)
}

/// Two adapters and what is between them.
#[derive(Debug)]
pub struct World {
    /// Who dials.
    pub client: &'static dyn Adapter,
    /// Who accepts.
    pub server: &'static dyn Adapter,
    /// Over what.
    pub carrier: Carrier,
}

/// A port nobody else has.
#[must_use]
pub fn free_port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("because loopback has free ports");
    let address = listener.local_addr().expect("because it is bound");
    (listener, address)
}

impl World {
    /// A server that listens.
    #[must_use]
    pub fn serve(&self) -> (Box<dyn Server>, SocketAddr) {
        self.serve_with(server_config())
    }

    /// The same, configured.
    #[must_use]
    pub fn serve_with(&self, config: ServerConfig) -> (Box<dyn Server>, SocketAddr) {
        let (listener, address) = free_port();
        let server = self.server.serve(config);
        server.listen(listener, self.carrier.acceptor());
        (server, address)
    }

    /// A client of whoever listens there.
    #[must_use]
    pub fn connect(&self, address: SocketAddr) -> Box<dyn Session> {
        self.connect_with(address, client_config())
    }

    /// The same, configured.
    #[must_use]
    pub fn connect_with(&self, address: SocketAddr, config: ClientConfig) -> Box<dyn Session> {
        let address = self.carrier.address(address);
        self.client.connect(Box::new(move |_| address.clone()), config)
    }
}

fn secret() -> SharedSecret {
    SharedSecret::from_key(b"conformance", [9; 32]).expect("because the hint is short")
}

/// Dials again soon.
#[must_use]
pub fn client_config() -> ClientConfig {
    let mut config = ClientConfig::new(Auth::secret(secret()));
    let soon = Duration::from_millis(10);
    config.backoff = Backoff::default()
        .with_first(soon)
        .with_base(soon)
        .with_cap(4 * soon)
        .with_stable_after(Duration::from_millis(1));
    config
}

/// Lets the clients of [`client_config`] in.
#[must_use]
pub fn server_config() -> ServerConfig {
    let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret()]));
    // Relays cut attempts in the middle, one after the other; nobody is to be told to wait for that.
    config.session.max_attempts = 1_000;
    config
}

/// Small random numbers from a seed.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Bytes that differ everywhere.
#[must_use]
pub fn pattern(seed: u64, length: usize) -> Bytes {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}
