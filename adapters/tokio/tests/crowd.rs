//! As many sessions over real loopback sockets as the machine lets us have, all cut at once.
//!
//! `cargo test --release -p unbroken-tokio --test crowd -- --ignored --nocapture`; `SESSIONS=9000` in the
//! environment for another number. Two file handles a session: the soft limit is raised to the hard one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(dead_code, reason = "the helpers are shared")]

mod common;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use common::{secret, server_config};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use unbroken_tokio::proto::config::Rate;
use unbroken_tokio::proto::security::Auth;
use unbroken_tokio::proto::server::{LagPolicy, Select};
use unbroken_tokio::proto::session::SessionState;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Compat, ConnectError, Connected, Framed, Server, Session};

/// A socket that is reset when the fuse blows.
struct Fused {
    socket: TcpStream,
    fuse: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Fused {
    async fn dial(address: SocketAddr, mut fuse: watch::Receiver<u32>) -> Result<Connected, ConnectError> {
        fuse.mark_unchanged();
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        socket.set_zero_linger()?;
        let fuse = Box::pin(async move { drop(fuse.changed().await) });
        Ok(Connected::ordered(Framed::new(Compat(Fused { socket, fuse }))))
    }
}

impl AsyncRead for Fused {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.fuse.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Fused {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// How many sessions the file limit leaves room for, if it is fewer than `wanted`.
fn room_for(wanted: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let handles = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    wanted.min(usize::try_from(handles.saturating_sub(200) / 2).unwrap_or(wanted))
}

fn hospitable() -> ServerConfig {
    let mut config = server_config();
    // All come from one address.
    let rate = Rate {
        per_second: 100_000,
        burst: 100_000,
    };
    (config.peer_hellos, config.peer_resumes) = (Some(rate), Some(rate));
    (config.hello_rate, config.max_handshakes_per_peer) = (100_000, 1 << 20);
    (config.max_silent, config.max_handshakes) = (1 << 20, 1 << 20);
    config
}

/// Bytes of memory this process has in use.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// Waits until `wanted` of the sessions are attached for the `times`th time; how long it took.
async fn attached(sessions: &[Session], times: u64, wanted: usize) -> Duration {
    let began = Instant::now();
    let back = |session: &&Session| session.state() == SessionState::Attached && session.stats().attaches >= times;
    while sessions.iter().filter(back).count() < wanted {
        assert!(began.elapsed() < Duration::from_secs(300), "they do not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// One message to everybody.
async fn tell_all(server: &Server, clients: &[Session]) {
    let broadcaster = server.broadcaster(StreamOptions::default(), 1 << 20, LagPolicy::Skip);
    let began = Instant::now();
    let outcome = broadcaster.send(Select::All, vec![7; 1_000].into());
    let sent = began.elapsed();
    assert_eq!(outcome.queued, clients.len());
    for client in clients {
        let mut stream = client.accept().await.unwrap();
        assert_eq!(stream.receiver().recv().await.unwrap().unwrap().len(), 1_000);
    }
    println!(
        "a broadcast of 1,000 bytes: sent after {sent:?}, read by all after {:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a benchmark: see the top of the file"]
async fn all_come_back_after_every_connection_is_cut() {
    let wanted = std::env::var("SESSIONS").ok().and_then(|text| text.parse().ok());
    let count = room_for(wanted.unwrap_or(5_000));
    assert!(wanted.is_some() || count >= 5_000, "the file limit allows {count}");
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(4_096).unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Server::new(hospitable()).unwrap();
    server.listen_tcp(listener);
    let (blow, fuse) = watch::channel(0);
    let dial = |_| {
        let fuse = fuse.clone();
        let connector = move |_| Fused::dial(address, fuse.clone());
        unbroken_tokio::connect_with(ClientConfig::new(Auth::secret(secret())), connector).unwrap()
    };
    let before = resident();
    let clients: Vec<Session> = (0..count).map(dial).collect();
    let began = Instant::now();
    let mut remote = Vec::new();
    for _ in 0..count {
        remote.push(common::soon("a session", server.accept()).await.session);
    }
    attached(&clients, 1, count).await;
    let each = resident().saturating_sub(before) / count as u64;
    println!(
        "{count} sessions established in {:?}; {each} bytes each, sockets' buffers in this process, tasks and both ends counted",
        began.elapsed()
    );
    tell_all(&server, &clients).await;
    for round in 2..5 {
        blow.send_replace(u32::try_from(round).unwrap());
        let took = attached(&clients, round, count).await;
        attached(&remote, round, count).await;
        let snapshot = server.handle().snapshot();
        assert_eq!(
            (snapshot.connected, snapshot.admitted, snapshot.ended),
            (count, count as u64, 0)
        );
        println!("{count} connections cut at once: the last session is attached again after {took:?}");
    }
}
