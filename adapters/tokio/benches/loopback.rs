//! One-way throughput on loopback, beside plain TCP and plain tokio-tungstenite in the same process.
//!
//! `cargo bench -p unbroken-tokio` prints a table; nothing is asserted. Each figure is the median of
//! several rounds, in which the contestants take turns. The plain ones neither encrypt nor
//! acknowledge nor keep anything; they send each message with one call, as their users do.
#![allow(clippy::unwrap_used, reason = "a benchmark has nobody to tell")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use std::future::poll_fn;
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Server, Session};

const SIZES: [usize; 7] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10];
const ROUNDS: usize = 7;

/// How many messages make a run of about a tenth of a second or more.
fn count(size: usize) -> usize {
    ((192 << 20) / size).min(300_000)
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (local, remote) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (local, remote) = (local.unwrap(), remote.unwrap().0);
    local.set_nodelay(true).unwrap();
    remote.set_nodelay(true).unwrap();
    (local, remote)
}

async fn plain_tcp(size: usize) -> Duration {
    let (mut local, mut remote) = sockets().await;
    let (total, message) = (count(size) * size, Bytes::from(vec![7; size]));
    let begin = Instant::now();
    tokio::spawn(async move {
        for _ in 0..count(size) {
            local.write_all(&message).await.unwrap();
        }
        local.shutdown().await.unwrap();
    });
    let received = tokio::spawn(async move {
        let (mut buffer, mut received) = (vec![0; 256 << 10], 0);
        while let read @ 1.. = remote.read(&mut buffer).await.unwrap() {
            received += read;
        }
        received
    });
    assert_eq!(received.await.unwrap(), total);
    begin.elapsed()
}

async fn plain_ws(size: usize) -> Duration {
    let (local, remote) = sockets().await;
    let (local, remote) = tokio::join!(
        tokio_tungstenite::client_async("ws://localhost/", local),
        tokio_tungstenite::accept_async(remote)
    );
    let (mut local, mut remote) = (local.unwrap().0, remote.unwrap());
    let message = Bytes::from(vec![7; size]);
    let begin = Instant::now();
    tokio::spawn(async move {
        for _ in 0..count(size) {
            poll_fn(|cx| Pin::new(&mut local).poll_ready(cx)).await.unwrap();
            Pin::new(&mut local)
                .start_send(Message::Binary(message.clone()))
                .unwrap();
            poll_fn(|cx| Pin::new(&mut local).poll_flush(cx)).await.unwrap();
        }
        poll_fn(|cx| Pin::new(&mut local).poll_close(cx)).await.unwrap();
        local
    });
    let received = tokio::spawn(async move {
        let mut received = 0;
        while received < count(size) {
            let message = poll_fn(|cx| Pin::new(&mut remote).poll_next(cx))
                .await
                .unwrap()
                .unwrap();
            received += usize::from(message.len() == size);
        }
        remote
    });
    received.await.unwrap();
    begin.elapsed()
}

#[derive(Clone, Copy)]
enum Carrier {
    Ws,
    Tcp,
}

async fn sessions(carrier: Carrier) -> (Session, Session, Server) {
    let secret = SharedSecret::from_key(b"bench", [1; 32]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Server::new(ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]))).unwrap();
    let config = ClientConfig::new(Auth::secret(secret));
    let client = match carrier {
        Carrier::Ws => {
            server.listen_ws(listener);
            unbroken_tokio::connect_ws(format!("ws://{address}/"), config).unwrap()
        }
        Carrier::Tcp => {
            server.listen_tcp(listener);
            unbroken_tokio::connect_tcp(address.to_string(), config).unwrap()
        }
    };
    let remote = server.accept().await.session;
    (client, remote, server)
}

async fn unbroken(carrier: Carrier, size: usize) -> Duration {
    let (client, remote, _server) = sessions(carrier).await;
    let (mut send, recv) = client.open(StreamOptions::default()).await.unwrap().split();
    let message = Bytes::from(vec![7; size]);
    let begin = Instant::now();
    tokio::spawn(async move {
        for _ in 0..count(size) {
            send.send(message.clone()).await.unwrap();
        }
        send.finish();
    });
    let received = tokio::spawn(async move {
        let (_send, mut recv) = remote.accept().await.unwrap().split();
        let mut received = 0;
        while let Some(message) = recv.recv().await.unwrap() {
            received += usize::from(message.len() == size);
        }
        received
    });
    assert_eq!(received.await.unwrap(), count(size));
    let elapsed = begin.elapsed();
    drop(recv);
    client.close(0, Bytes::new()).await.unwrap();
    elapsed
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    println!("messages one way over loopback, in MB/s (and thousands of messages a second); ratios in the same run");
    println!(
        "{:>8} {:>17} {:>17} {:>6} {:>17} {:>17} {:>6}",
        "size", "plain TCP", "unbroken TCP", "ratio", "plain WebSocket", "unbroken WS", "ratio"
    );
    for size in SIZES {
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            let round = runtime.block_on(async {
                [
                    tokio::spawn(plain_tcp(size)).await.unwrap(),
                    tokio::spawn(unbroken(Carrier::Tcp, size)).await.unwrap(),
                    tokio::spawn(plain_ws(size)).await.unwrap(),
                    tokio::spawn(unbroken(Carrier::Ws, size)).await.unwrap(),
                ]
            });
            times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
        }
        let messages = count(size) as f64;
        let [tcp, our_tcp, ws, our_ws] = times.map(|times| messages / median(times));
        let show = |rate: f64| format!("{:.0} ({:.0}k)", rate * size as f64 / 1e6, rate / 1e3);
        println!(
            "{size:>8} {:>17} {:>17} {:>6.2} {:>17} {:>17} {:>6.2}",
            show(tcp),
            show(our_tcp),
            our_tcp / tcp,
            show(ws),
            show(our_ws),
            our_ws / ws
        );
    }
}
