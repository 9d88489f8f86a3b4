//! What the tests of real sockets share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use unbroken_tokio::proto::event::Event;
use unbroken_tokio::proto::reconnect::Backoff;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Events, RecvHalf, SendHalf, Server, Session};

/// Nothing on loopback takes this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    Ws,
    Tcp,
}

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

pub(crate) fn connect(carrier: Carrier, address: SocketAddr, config: ClientConfig) -> Session {
    match carrier {
        Carrier::Ws => unbroken_tokio::connect_ws(format!("ws://{address}/"), config),
        Carrier::Tcp => unbroken_tokio::connect_tcp(address.to_string(), config),
    }
    .expect("because the configuration is sound")
}

pub(crate) fn listen(server: &Server, carrier: Carrier, listener: TcpListener) {
    match carrier {
        Carrier::Ws => server.listen_ws(listener),
        Carrier::Tcp => server.listen_tcp(listener),
    }
}

/// A server on a fresh port.
pub(crate) async fn server(carrier: Carrier) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("because loopback has free ports");
    let address = listener.local_addr().expect("because it is bound");
    let server = Server::new(server_config()).expect("because the configuration is sound");
    listen(&server, carrier, listener);
    (server, address)
}

/// Echoes every stream of every session.
pub(crate) fn spawn_echo(mut server: Server) {
    tokio::spawn(async move {
        loop {
            tokio::spawn(echo_session(server.accept().await.session));
        }
    });
}

pub(crate) async fn echo_session(session: Session) {
    while let Some(stream) = session.accept().await {
        let (send, recv) = stream.split();
        tokio::spawn(echo(send, recv));
    }
}

pub(crate) async fn echo(mut send: SendHalf, mut recv: RecvHalf) {
    while let Ok(Some(message)) = recv.recv().await {
        if send.send(message).await.is_err() {
            return;
        }
    }
    send.finish();
}

/// A client with one stream to an echoing server.
pub(crate) async fn pair(carrier: Carrier) -> (Session, SendHalf, RecvHalf) {
    let (server, address) = server(carrier).await;
    spawn_echo(server);
    let session = connect(carrier, address, client_config());
    let (send, recv) = session
        .open(StreamOptions::default())
        .await
        .expect("because a stream is free")
        .split();
    (session, send, recv)
}

/// Bytes that differ everywhere.
pub(crate) fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A relay to `server` that resets each connection after a random number of bytes below `most`, `cuts` times.
pub(crate) async fn cutting_relay(server: SocketAddr, cuts: u64, most: u64, seed: u64) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("because loopback has free ports");
    let address = listener.local_addr().expect("because it is bound");
    let done = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&done);
    tokio::spawn(async move {
        let mut random = Random(seed);
        while let Ok((client, _)) = listener.accept().await {
            let through = 1 + random.next() % most;
            let counter = Arc::clone(&counter);
            tokio::spawn(async move { relay(client, server, through, cuts, &counter).await });
        }
    });
    (address, done)
}

async fn relay(mut client: TcpStream, server: SocketAddr, through: u64, cuts: u64, done: &AtomicU64) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    if done.load(Ordering::Relaxed) >= cuts {
        let _over = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    let left = AtomicU64::new(through);
    {
        let (mut client_in, mut client_out) = client.split();
        let (mut server_in, mut server_out) = server.split();
        let forth = forward(&mut client_in, &mut server_out, &left);
        let back = forward(&mut server_in, &mut client_out, &left);
        tokio::select! { () = forth => {}, () = back => {} }
    }
    done.fetch_add(1, Ordering::Relaxed);
    let _gone = (client.set_zero_linger(), server.set_zero_linger());
}

async fn forward<R, W>(from: &mut R, to: &mut W, left: &AtomicU64)
where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| {
            Some(l.saturating_sub(read as u64))
        });
        let passes = before.unwrap_or(0).min(read as u64);
        if to.write_all(&buffer[..passes as usize]).await.is_err() || passes < read as u64 {
            return;
        }
    }
}

/// Waits for `condition`, as long as nothing on loopback takes.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "never happened: {what}");
}

/// Fails instead of hanging.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(output) => output,
        Err(_) => panic!("never happened: {what}"),
    }
}

/// Sends `messages` and receives them back at the same time; returns what came.
pub(crate) async fn round_trip(messages: Vec<Bytes>, mut send: SendHalf, recv: &mut RecvHalf) -> Vec<Bytes> {
    let sending = tokio::spawn(async move {
        for message in messages {
            send.send(message).await.expect("because the session lives");
        }
        send.finish();
    });
    let mut received = Vec::new();
    while let Some(message) = soon("an echo", recv.recv()).await.expect("because the stream lives") {
        received.push(message);
    }
    sending.await.expect("because sending ends");
    received
}

/// The next event of that kind.
pub(crate) async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Event {
    soon("an event", async {
        loop {
            let event = events.next().await.expect("because the session lives");
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
}
