//! Either end: sends numbered messages on one stream and bytes on another, and receives the same from the other end.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_store::{Embedded, Store};
use unbroken_tokio::proto::event::EndReason;
use unbroken_tokio::proto::security::{AtRest, Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Address, RecvHalf, SendHalf, Server, Session, Stream, connect_durable, connector};

use super::database::{Database, Mark};

/// Each way.
pub(crate) const MESSAGES: u64 = 20_000;
pub(crate) const BYTES: u64 = 32 << 20;
const PIECE: usize = 16 << 10;
const LABELS: [&str; 2] = ["messages", "bytes"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

impl Role {
    pub(crate) const BOTH: [Role; 2] = [Role::Client, Role::Server];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Server => "server",
        }
    }

    pub(crate) fn of(name: &str) -> Role {
        if name == "client" { Role::Client } else { Role::Server }
    }
}

/// The byte that stands at that place.
pub(crate) fn byte_at(place: u64) -> u8 {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// A process of that role, which runs this test program anew. `part`: which part of everything it sends at most.
pub(crate) fn told(role: Role, folder: &Path, address: SocketAddr, part: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["processes::one_end", "--exact", "--nocapture"])
        .env("UNBROKEN_ROLE", role.name())
        .env("UNBROKEN_FOLDER", folder.join(role.name()))
        .env("UNBROKEN_ADDRESS", address.to_string())
        .env("UNBROKEN_PART", part.to_string());
    command
}

/// What such a process does; nothing in the one that starts it.
pub(crate) fn run_as_told() {
    let Ok(role) = std::env::var("UNBROKEN_ROLE") else {
        return;
    };
    let folder = std::env::var_os("UNBROKEN_FOLDER").unwrap();
    let address = std::env::var("UNBROKEN_ADDRESS").unwrap().parse().unwrap();
    let part = std::env::var("UNBROKEN_PART").unwrap().parse().unwrap();
    run(Role::of(&role), Path::new(&folder), address, part);
}

pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn run(role: Role, folder: &Path, address: SocketAddr, part: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = store(role, folder).await;
        match role {
            Role::Client => {
                let secret = SharedSecret::from_key(b"test", [7; 32]).unwrap();
                let mut config = ClientConfig::new(Auth::secret(secret));
                config.session.durable = Some(AtRest::sealed([5; 32]));
                config.backoff.cap = Duration::from_millis(100);
                let connector = connector(Address::parse(&format!("tcp://{address}")).unwrap());
                let id = "session".parse().unwrap();
                let session = connect_durable(config, connector, store, id).await.unwrap();
                converse(session, (role, part), folder.to_owned()).await;
            }
            Role::Server => {
                let secret = SharedSecret::from_key(b"test", [7; 32]).unwrap();
                let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret]));
                config.session.durable = Some(AtRest::sealed([6; 32]));
                let mut server = Server::new(config).unwrap();
                let failed = server.restore(store).await.unwrap();
                assert!(failed.is_empty(), "{failed:?}");
                server.listen_tcp(TcpListener::bind(address).await.unwrap());
                loop {
                    let accepted = server.accept().await;
                    tokio::spawn(converse(accepted.session, (role, part), folder.to_owned()));
                }
            }
        }
    });
}

/// A store of its own; or, for the server, that of a fleet.
async fn store(role: Role, folder: &Path) -> Arc<dyn Store> {
    #[cfg(feature = "nats")]
    if let (Role::Server, Ok(servers)) = (role, std::env::var("UNBROKEN_FLEET")) {
        let mut config = unbroken_store::nats::NatsConfig::default();
        config.lease = Duration::from_secs(2);
        loop {
            // The server may have been killed, too.
            match unbroken_store::nats::NatsStore::connect(&servers, config.clone()).await {
                Ok(store) => return Arc::new(store),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
    let _ = role;
    Arc::new(Embedded::open(folder.join("store")).unwrap())
}

async fn converse(session: Session, (role, part): (Role, u64), folder: PathBuf) {
    let Some(mut streams) = streams(&session, role).await else {
        return;
    };
    let (bytes, messages) = (streams.pop().unwrap(), streams.pop().unwrap());
    let taken = [messages.id(), bytes.id()].map(|id| session.taken(id));
    let (send_messages, receive_messages) = messages.split();
    let (send_bytes, receive_bytes) = bytes.split();
    let messages = taken[0].messages..MESSAGES.min(taken[0].messages + MESSAGES / part);
    let bytes = taken[1].bytes..BYTES.min(taken[1].bytes + BYTES / part);
    tokio::spawn(send_numbers(send_messages, messages));
    tokio::spawn(send_pattern(send_bytes, bytes));
    let database = folder.clone();
    tokio::spawn(async move { receive(receive_messages, &database, LABELS[0]).await });
    receive(receive_bytes, &folder, LABELS[1]).await;
    let ended = session.closed().await;
    if matches!(ended.reason, EndReason::Moved | EndReason::Superseded) {
        return;
    }
    Database::open(&folder).is_wrong(&format!("ended: {ended:?}"));
}

/// The two streams: those of the process before, as far as it had them, and new ones.
async fn streams(session: &Session, role: Role) -> Option<Vec<Stream>> {
    let mut streams = Vec::new();
    let restored = session.restored();
    for label in LABELS {
        let known = restored.iter().find(|stream| stream.label == label);
        let stream = match (known, role) {
            (Some(known), _) => session.take_restored(known.id).unwrap(),
            (None, Role::Client) => {
                let mut options = StreamOptions::default();
                options.label = label.into();
                session.open(options).await.ok()?
            }
            (None, Role::Server) => session.accept().await?,
        };
        assert_eq!(stream.label(), label);
        streams.push(stream);
    }
    Some(streams)
}

async fn send_numbers(mut half: SendHalf, numbers: Range<u64>) {
    for number in numbers {
        if half.send(Bytes::copy_from_slice(&number.to_be_bytes())).await.is_err() {
            return;
        }
        if number % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    // The stream goes on for as long as the process does.
    std::future::pending::<()>().await;
}

async fn send_pattern(mut half: SendHalf, bytes: Range<u64>) {
    use tokio::io::AsyncWriteExt;
    let mut at = bytes.start;
    while at < bytes.end {
        let end = bytes.end.min(at + PIECE as u64);
        let piece: Vec<u8> = (at..end).map(byte_at).collect();
        if half.write_all(&piece).await.is_err() {
            return;
        }
        at = end;
    }
    std::future::pending::<()>().await;
}

async fn receive(mut half: RecvHalf, folder: &Path, label: &str) {
    let database = Database::open(folder);
    let mut mark = database.mark(label);
    if half.consumed(mark.place).is_err() {
        return;
    }
    loop {
        let Ok(Some((payload, _))) = half.recv_chunk().await else {
            return;
        };
        let place = half.place();
        let is_message = label == LABELS[0];
        let count = if is_message { place.messages } else { place.bytes };
        // Another process that had the session may have come so far already.
        while mark.count < count {
            let known = std::mem::replace(&mut mark, Mark { place, count }).count;
            let is_ours = if is_message {
                let number = payload[..].try_into().map_or(u64::MAX, u64::from_be_bytes);
                database.take_message(mark, number)
            } else {
                let new = usize::try_from(count - known).unwrap_or(usize::MAX).min(payload.len());
                database.take_bytes(mark, &payload[payload.len() - new..])
            };
            if !is_ours {
                mark = database.mark(label);
            }
        }
        if half.consumed(place).is_err() {
            return;
        }
    }
}
