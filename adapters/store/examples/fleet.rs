//! A server of several nodes that share a store, and a client whose session goes on at whichever of them it reaches.
//!
//! ```console
//! cargo run -p unbroken-store --features nats --example fleet -- node 127.0.0.1:7001 nats://127.0.0.1:4222
//! cargo run -p unbroken-store --features nats --example fleet -- node 127.0.0.1:7002 nats://127.0.0.1:4222
//! cargo run -p unbroken-store --features nats --example fleet -- client 127.0.0.1:7001 127.0.0.1:7002
//! ```
//!
//! The client sends what is typed, a line a message; the node that has the session answers with its own address and the number of the line. Kill
//! it with `kill -9`, and go on typing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::net::TcpListener;
use unbroken_store::nats::{NatsConfig, NatsStore};
use unbroken_tokio::driver::{Connecting, Connector};
use unbroken_tokio::proto::security::{AtRest, Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ReconnectIntent, ServerConfig};
use unbroken_tokio::{Accepted, Address, Server, ServerHandle, connect_with, connector};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "usage: fleet node ADDRESS NATS-URL | fleet client ADDRESS...";

fn secret() -> Result<SharedSecret, Failure> {
    Ok(SharedSecret::from_key(b"example", [42; 32])?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["node", address, servers] => node(address, servers).await,
        ["client", ref nodes @ ..] if !nodes.is_empty() => client(nodes).await,
        _ => Err(USAGE.into()),
    }
}

async fn node(address: &str, servers: &str) -> Result<(), Failure> {
    let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret()?]));
    // The same on all nodes: under this key the sessions are kept.
    config.session.durable = Some(AtRest::sealed([6; 32]));
    let store = NatsStore::connect(servers, NatsConfig::default()).await?;
    let mut server = Server::new(config)?;
    for (id, error) in server.restore(Arc::new(store)).await? {
        eprintln!("{id} could not be restored: {error}");
    }
    server.listen_tcp(TcpListener::bind(address).await?);
    println!("{address} listens");
    tokio::spawn(restore_now_and_then(Arc::clone(server.handle())));
    loop {
        let accepted = server.accept().await;
        let address = address.to_owned();
        tokio::spawn(async move {
            let is_restored = accepted.is_restored;
            println!(
                "{address} {} a session",
                if is_restored { "goes on with" } else { "begins" }
            );
            let answered = answer(accepted, &address).await;
            println!("{address} has it no longer: {answered:?}");
        });
    }
}

/// A session whose client comes is taken up by itself; what else a node had that is gone is to be looked for.
async fn restore_now_and_then(server: Arc<ServerHandle>) {
    loop {
        tokio::time::sleep(Duration::from_secs(30)).await;
        match server.restore().await {
            Ok(restoration) => {
                for (_, driving) in restoration.sessions {
                    tokio::spawn(driving);
                }
                for (id, error) in restoration.failed {
                    eprintln!("{id} could not be restored: {error}");
                }
            }
            Err(error) => eprintln!("{error}: tried again later"),
        }
    }
}

/// Answers each line until the session ends, or goes to another node.
async fn answer(accepted: Accepted, address: &str) -> Result<(), Failure> {
    let session = accepted.session;
    let stream = match session.restored().first() {
        Some(stream) => session.take_restored(stream.id),
        None => session.accept().await,
    };
    let stream = stream.ok_or("it is over")?;
    let answered = session.taken(stream.id()).messages;
    let (mut send, mut recv) = stream.split();
    while let Some(line) = recv.recv().await? {
        let (line, place) = (String::from_utf8_lossy(&line), recv.place());
        // A node that died may have answered it, and not have said so.
        if place.messages > answered {
            let answer = format!("{address}, line {}: {line}", place.messages);
            send.send(Bytes::from(answer)).await?;
        }
        recv.consumed(place)?;
    }
    session.closed().await;
    Ok(())
}

async fn client(nodes: &[&str]) -> Result<(), Failure> {
    let connectors: Result<Vec<Box<dyn Connector>>, Failure> = nodes.iter().copied().map(to_node).collect();
    let session = connect_with(ClientConfig::new(Auth::secret(secret()?)), AnyNode(connectors?))?;
    let (mut send, mut recv) = session.open(StreamOptions::default()).await?.split();
    println!("type lines");
    let answers = tokio::spawn(async move {
        while let Ok(Some(answer)) = recv.recv().await {
            println!("{}", String::from_utf8_lossy(&answer));
        }
    });
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        send.send(Bytes::from(line)).await?;
    }
    send.finish();
    let ended = session.close(0, Bytes::new()).await?;
    answers.await?;
    println!("all lines delivered: {}", ended.fates.all_delivered());
    Ok(())
}

fn to_node(address: &str) -> Result<Box<dyn Connector>, Failure> {
    Ok(Box::new(connector(Address::parse(&format!("tcp://{address}"))?)))
}

/// Dials one node after the other until one takes the session.
struct AnyNode(Vec<Box<dyn Connector>>);

impl Connector for AnyNode {
    fn dial(&mut self, intent: ReconnectIntent) -> Connecting {
        let count = self.0.len();
        let index = usize::try_from(intent.attempt).unwrap_or(0) % count;
        self.0[index].dial(intent)
    }
}
