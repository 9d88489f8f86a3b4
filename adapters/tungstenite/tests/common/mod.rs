//! What the tests of real sockets share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::future::poll_fn;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use unbroken_tungstenite::proto::reconnect::Backoff;
use unbroken_tungstenite::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tungstenite::proto::{ClientConfig, ServerConfig};
use unbroken_tungstenite::{Acceptor, Server, Session, Socket};

/// Nothing on loopback takes this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn secret() -> SharedSecret {
    SharedSecret::from_key(b"test", [9; 32]).expect("because the hint is short")
}

pub(crate) fn client_config() -> ClientConfig {
    let mut config = ClientConfig::new(Auth::secret(secret()));
    let soon = Duration::from_millis(10);
    config.backoff = Backoff::default()
        .with_first(soon)
        .with_base(soon)
        .with_cap(4 * soon)
        .with_stable_after(Duration::from_millis(1));
    config
}

pub(crate) fn server_config() -> ServerConfig {
    ServerConfig::new(ServerAuth::secrets(vec![secret()]))
}

pub(crate) fn free_port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("because loopback has free ports");
    let address = listener.local_addr().expect("because it is bound");
    (listener, address)
}

/// A server on a fresh port.
pub(crate) fn serve(config: ServerConfig) -> (Server, SocketAddr) {
    let (listener, address) = free_port();
    let server = Server::new(config).expect("because the configuration is sound");
    server
        .listen(listener, Acceptor::tcp())
        .expect("because it is a socket");
    (server, address)
}

pub(crate) fn connect(address: SocketAddr) -> Session {
    unbroken_tungstenite::connect_tcp(address.to_string(), client_config()).expect("because the configuration is sound")
}

/// Two ends of one session.
pub(crate) fn pair() -> (Server, Session, Session) {
    let (server, address) = serve(server_config());
    let local = connect(address);
    let remote = server.accept_within(LIMIT).expect("a session").session;
    (server, local, remote)
}

/// Waits for `condition`.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Two connected sockets, each with room for about so many bytes on their way.
pub(crate) fn pair_of_sockets(room: usize) -> (Socket<UnixStream>, Socket<UnixStream>) {
    let (local, remote) = UnixStream::pair().expect("because there are sockets");
    for end in [&local, &remote] {
        let sized = socket2::SockRef::from(end).set_send_buffer_size(room);
        sized.expect("because it is a socket");
    }
    let end = |socket| Socket::new(socket).expect("because it is a socket");
    (end(local), end(remote))
}

/// Both outputs.
pub(crate) async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(cx)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = other.as_mut().poll(cx)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            waiting => {
                (first, second) = waiting;
                Poll::Pending
            }
        }
    })
    .await
}

/// All that comes on the next stream of the peer's.
pub(crate) fn read_all(session: &Session) -> String {
    let mut stream = session.accept_within(LIMIT).unwrap().unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    all
}
