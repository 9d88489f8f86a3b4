//! How long a server takes to refuse a RESUME that nobody sealed, over loopback TCP: of a session that it holds, and of one
//! that it does not. The two distributions should not differ.
//!
//! `cargo bench -p unbroken-tokio --bench refusal` prints the median and the 99th percentile of each, in microseconds;
//! nothing is asserted. The two are asked in turns, so that whatever else the machine does meets both.
#![allow(clippy::unwrap_used, reason = "a benchmark has nobody to tell")]

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use unbroken_tokio::Server;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret, Suite};
use unbroken_tokio::proto::{ClientConfig, ServerConfig, SessionId};

const ROUNDS: usize = 10_000;
/// Not counted.
const WARM_UP: usize = 500;

/// Behind its length: a RESUME of `id` that opens under no secret.
fn forged(id: SessionId, suite: Suite) -> Vec<u8> {
    let mut packet = vec![0, 84, 4, 1, suite.byte()];
    packet.extend_from_slice(&id.0);
    packet.resize(2 + 84, 7);
    packet
}

/// Microseconds from the RESUME to its refusal.
async fn refusal(address: &str, packet: &[u8]) -> f64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 4];
    let begin = Instant::now();
    stream.write_all(packet).await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    let elapsed = begin.elapsed();
    assert_eq!(answer, [0, 2, 6, 2], "REJECT Refused");
    elapsed.as_secs_f64() * 1e6
}

fn report(name: &str, mut figures: Vec<f64>) {
    figures.sort_unstable_by(f64::total_cmp);
    let (median, late) = (figures[figures.len() / 2], figures[figures.len() * 99 / 100]);
    println!("{name:<10} median {median:>8.1} us   p99 {late:>8.1} us");
}

async fn run() {
    let secret = SharedSecret::from_key(b"bench", [1; 32]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
    (config.resume_rate, config.peer_resumes) = (1_000_000, None);
    let mut server = Server::new(config).unwrap();
    server.listen_tcp(listener);
    let suite = Suite::preferred()[0];
    let mut config = ClientConfig::new(Auth::secret(secret));
    config.suites = vec![suite];
    let local = unbroken_tokio::connect_tcp(&address, config).unwrap();
    let remote = server.accept().await.session;
    let (held, unknown) = (forged(remote.id().unwrap(), suite), forged(SessionId([9; 16]), suite));
    let mut figures = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let (one, other) = (refusal(&address, &held).await, refusal(&address, &unknown).await);
        if round >= WARM_UP {
            figures.0.push(one);
            figures.1.push(other);
        }
    }
    report("held", figures.0);
    report("not held", figures.1);
    local.abort().await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::spawn(run()).await.unwrap() });
}
