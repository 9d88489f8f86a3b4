//! How fast one end of a session sends to the other through the gateway, all three in this process over loopback TCP: beside plain TCP in
//! the same run, and beside what was measured of AWS's programs.
//!
//! `cargo bench -p unbroken-loopback`; `UNBROKEN_MIB` says how much is sent each time (default 256).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use unbroken_ssm::gateway::{End, Gateway, Settings, StartRequest};
use unbroken_ssm::proto::ssm::body::{PortProperties, Token};
use unbroken_ssm::proto::ssm::event::Chunk;
use unbroken_ssm::proto::ssm::{AgentConfig, ChannelConfig, ClientConfig};
use unbroken_ssm::{AgentSession, ClientSession, Grant, Service, TokenError};

/// MB/s of session-manager-plugin and amazon-ssm-agent as senders, whatever the line: they sleep for a millisecond after each frame.
const ORIGINALS: f64 = 0.85;
/// The median of so many runs counts.
const RUNS: usize = 5;

/// Tokens straight from the gateway.
struct Direct(Gateway, End);

impl Service for Direct {
    async fn token(&self, session_id: &str) -> Result<Grant, TokenError> {
        let token = self.0.token(session_id, self.1);
        token.map(Grant::new).ok_or_else(|| TokenError::Gone(String::new()))
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mib: usize = std::env::var("UNBROKEN_MIB").map_or(256, |text| text.parse().expect("a number"));
    let bytes = mib << 20;
    let tcp = median(async || plain(bytes).await).await;
    println!("plain TCP, one connection                   {tcp:8.1} MB/s");
    for (frame_bytes, window) in [(1_024, 256 << 10), (1_024, 1 << 20), (16 << 10, 1 << 20)] {
        let channel = ChannelConfig::default()
            .with_frames_per_second(None)
            .with_frame_bytes(frame_bytes)
            .with_window(window)
            .with_send_buffer(window);
        for from in [End::Client, End::Agent] {
            let rate = median(async || session(bytes, &channel, from).await).await;
            let (times, share) = (rate / ORIGINALS, rate / tcp);
            let who = format!("{from:?} sends, frames of {frame_bytes}, window {} KiB", window >> 10);
            println!("{who:<43} {rate:8.1} MB/s  {times:4.0} times the originals' 0.85  {share:.3} of TCP");
        }
    }
}

async fn median(mut run: impl AsyncFnMut() -> f64) -> f64 {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        rates.push(run().await);
    }
    rates.sort_by(f64::total_cmp);
    rates[RUNS / 2]
}

fn rate(bytes: usize, since: Instant) -> f64 {
    bytes as f64 / 1e6 / since.elapsed().as_secs_f64()
}

async fn plain(bytes: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let writing = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let piece = vec![7; 32 << 10];
        for _ in 0..bytes / piece.len() {
            stream.write_all(&piece).await.unwrap();
        }
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let (begun, mut read, mut buffer) = (Instant::now(), 0, vec![0; 32 << 10]);
    while read < bytes {
        read += stream.read(&mut buffer).await.unwrap();
    }
    writing.await.unwrap();
    rate(bytes, begun)
}

async fn session(bytes: usize, channel: &ChannelConfig, from: End) -> f64 {
    let gateway = Gateway::new(Settings::default(), |_: StartRequest| async { Ok(()) }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "ws://{}/v1/data-channel/s-1?role=publish_subscribe",
        listener.local_addr().unwrap()
    );
    gateway.start("s-1").unwrap();
    let serving = gateway.clone();
    let serving = tokio::spawn(async move { serving.serve(listener).await });
    let agent = AgentConfig::port("s-1", "i-1", PortProperties::default())
        .with_channel(channel.clone().with_check_digest(false));
    let agent = AgentSession::connect(agent, &url, Direct(gateway.clone(), End::Agent)).unwrap();
    let client = ClientConfig::new("s-1", Token::default()).with_channel(channel.clone());
    let client = ClientSession::connect(client, &url, Direct(gateway, End::Client)).unwrap();
    client.established().await.unwrap();
    agent.established().await.unwrap();
    let begun = Instant::now();
    match from {
        End::Client => carry(client, agent, bytes).await,
        _ => carry(agent, client, bytes).await,
    }
    serving.abort();
    rate(bytes, begun)
}

async fn carry<A: unbroken_ssm::End, B: unbroken_ssm::End>(
    from: unbroken_ssm::Session<A>,
    to: unbroken_ssm::Session<B>,
    bytes: usize,
) {
    let writing = tokio::spawn(async move {
        let piece = Bytes::from(vec![7; 32 << 10]);
        for _ in 0..bytes / piece.len() {
            from.write(piece.clone()).await.unwrap();
        }
        from
    });
    let mut read = 0;
    while read < bytes {
        match to.read().await {
            Some(Chunk::Output(piece)) => read += piece.len(),
            other => panic!("{other:?}"),
        }
    }
    drop(writing.await.unwrap());
}
