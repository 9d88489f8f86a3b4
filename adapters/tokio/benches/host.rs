//! What the host costs: throughput by message size, ping-pong, many sessions, and fairness between streams, over loopback TCP.
//!
//! `cargo bench -p unbroken-tokio --bench host` prints a line for each; nothing is asserted. A figure is the median of several
//! rounds. To compare two versions, build both and run them in turns on a quiet machine.
#![allow(clippy::unwrap_used, reason = "a benchmark has nobody to tell")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Server, Session};

const ROUNDS: usize = 5;
const PINGS: usize = 10_000;
const SESSIONS: usize = 1_000;
const GREEDY: usize = 16;

struct World {
    server: Server,
    address: String,
    secret: SharedSecret,
}

impl World {
    async fn new() -> World {
        let secret = SharedSecret::from_key(b"bench", [1; 32]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
        config.max_sessions_per_identity = SESSIONS + 1;
        let server = Server::new(config).unwrap();
        server.listen_tcp(listener);
        World {
            server,
            address,
            secret,
        }
    }

    async fn pair(&mut self) -> (Session, Session) {
        let config = ClientConfig::new(Auth::secret(self.secret.clone()));
        let local = unbroken_tokio::connect_tcp(&self.address, config).unwrap();
        let remote = self.server.accept().await.session;
        (local, remote)
    }
}

/// Messages of `size` a second, one way.
async fn one_way(size: usize) -> f64 {
    let mut world = World::new().await;
    let (local, remote) = world.pair().await;
    let count = ((128 << 20) / size).min(300_000);
    let (mut send, _recv) = local.open(StreamOptions::default()).await.unwrap().split();
    let message = Bytes::from(vec![7; size]);
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        for _ in 0..count {
            send.send(message.clone()).await.unwrap();
        }
        send.finish();
    });
    let (_send, mut recv) = remote.accept().await.unwrap().split();
    let mut received = 0;
    while let Some(message) = recv.recv().await.unwrap() {
        received += usize::from(message.len() == size);
    }
    assert_eq!(received, count);
    sending.await.unwrap();
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    local.close(0, Bytes::new()).await.unwrap();
    rate
}

/// Bytes a second written in pieces of `size` through `AsyncWrite`.
async fn written(size: usize) -> f64 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut world = World::new().await;
    let (local, remote) = world.pair().await;
    let count = ((64 << 20) / size).min(300_000);
    let (mut send, _recv) = local.open(StreamOptions::default()).await.unwrap().split();
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        let piece = vec![7; size];
        for _ in 0..count {
            send.write_all(&piece).await.unwrap();
        }
        send.shutdown().await.unwrap();
    });
    let (_send, mut recv) = remote.accept().await.unwrap().split();
    let (mut buffer, mut received) = (vec![0; 64 << 10], 0);
    while let read @ 1.. = recv.read(&mut buffer).await.unwrap() {
        received += read;
    }
    assert_eq!(received, count * size);
    sending.await.unwrap();
    let rate = received as f64 / begin.elapsed().as_secs_f64();
    local.close(0, Bytes::new()).await.unwrap();
    rate
}

/// Round trips a second of 64 bytes.
async fn ping_pong() -> f64 {
    let mut world = World::new().await;
    let (local, remote) = world.pair().await;
    let (mut send, mut recv) = local.open(StreamOptions::default()).await.unwrap().split();
    tokio::spawn(async move {
        let (mut send, mut recv) = remote.accept().await.unwrap().split();
        // The session is dropped in the end.
        while let Ok(Some(message)) = recv.recv().await {
            send.send(message).await.unwrap();
        }
    });
    let message = Bytes::from(vec![7; 64]);
    let begin = Instant::now();
    for _ in 0..PINGS {
        send.send(message.clone()).await.unwrap();
        recv.recv().await.unwrap().unwrap();
    }
    PINGS as f64 / begin.elapsed().as_secs_f64()
}

/// Echoes a second of 1 KiB over many sessions at once.
async fn many_sessions() -> f64 {
    let mut world = World::new().await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let (local, remote) = world.pair().await;
        tokio::spawn(async move {
            let (mut send, mut recv) = remote.accept().await.unwrap().split();
            while let Ok(Some(message)) = recv.recv().await {
                send.send(message).await.unwrap();
            }
        });
        sessions.push(local);
    }
    let begin = Instant::now();
    let tasks: Vec<_> = sessions
        .into_iter()
        .map(|local| {
            tokio::spawn(async move {
                let (mut send, mut recv) = local.open(StreamOptions::default()).await.unwrap().split();
                for _ in 0..20 {
                    send.send(Bytes::from(vec![7; 1 << 10])).await.unwrap();
                    recv.recv().await.unwrap().unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (SESSIONS * 20) as f64 / begin.elapsed().as_secs_f64()
}

/// Jain's index (1: all got the same) of what streams that send without pause have delivered within a second, and the
/// megabytes a second of all of them together.
async fn fairness() -> (f64, f64) {
    let mut world = World::new().await;
    let (local, remote) = world.pair().await;
    for _ in 0..GREEDY {
        let (mut send, _recv) = local.open(StreamOptions::default()).await.unwrap().split();
        tokio::spawn(async move { while send.send(Bytes::from(vec![7; 4 << 10])).await.is_ok() {} });
    }
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..GREEDY {
        let (_send, mut recv) = remote.accept().await.unwrap().split();
        tasks.push(tokio::spawn(async move {
            let mut received = 0;
            while begin.elapsed() < Duration::from_secs(1) {
                received += recv.recv().await.unwrap().unwrap().len();
            }
            received as f64
        }));
    }
    let mut shares = Vec::new();
    for task in tasks {
        shares.push(task.await.unwrap());
    }
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
    local.abort().await;
    (sum * sum / (GREEDY as f64 * squares), sum / 1e6)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = |name: &str, unit: &str, run: &dyn Fn() -> f64| {
        if only.as_ref().is_none_or(|only| name.contains(&**only)) {
            let figure = median((0..ROUNDS).map(|_| run()).collect());
            println!("{name:<24} {figure:>14.2} {unit}");
        }
    };
    for size in [64, 1 << 10, 64 << 10] {
        report(&format!("one_way_{size}"), "messages/s", &|| {
            runtime.block_on(async { tokio::spawn(one_way(size)).await.unwrap() })
        });
    }
    for size in [16, 4 << 10] {
        report(&format!("written_{size}"), "bytes/s", &|| {
            runtime.block_on(async { tokio::spawn(written(size)).await.unwrap() })
        });
    }
    report("ping_pong_64", "round trips/s", &|| {
        runtime.block_on(async { tokio::spawn(ping_pong()).await.unwrap() })
    });
    report("many_sessions_1000", "echoes/s", &|| {
        runtime.block_on(async { tokio::spawn(many_sessions()).await.unwrap() })
    });
    report("fairness_index", "(1 is even)", &|| {
        runtime.block_on(async { tokio::spawn(fairness()).await.unwrap().0 })
    });
    report("fairness_total", "MB/s", &|| {
        runtime.block_on(async { tokio::spawn(fairness()).await.unwrap().1 })
    });
}
