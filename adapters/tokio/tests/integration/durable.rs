//! Sessions that outlive their process: each end is a runtime of its own here, which is dropped in the middle of everything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use unbroken_tokio::driver::import;
use unbroken_tokio::driver::store::{JournalId, MemoryStore, Store};
use unbroken_tokio::proto::event::{EndReason, Place};
use unbroken_tokio::proto::security::AtRest;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, Duration, ServerConfig};
use unbroken_tokio::{Address, Server, Session, Tokio, connect_durable, connector};

use crate::common::{self, client_config, server_config, soon};

const MESSAGES: u64 = 4_000;
const KILLS: u64 = 30;

fn at_rest() -> Option<AtRest> {
    Some(AtRest::sealed([5; 32]))
}

fn client() -> ClientConfig {
    let mut config = client_config();
    config.session.durable = at_rest();
    config
}

fn server() -> ServerConfig {
    let mut config = server_config();
    config.session.durable = at_rest();
    config
}

fn process() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

async fn dial(store: &Arc<MemoryStore>, address: SocketAddr) -> Session {
    let connector = connector(Address::parse(&format!("tcp://{address}")).unwrap());
    let id: JournalId = "client".parse().unwrap();
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    connect_durable(client(), connector, store, id).await.unwrap()
}

/// What the receiving application has in its own database: all that it received, with its place.
#[derive(Default)]
struct Received {
    numbers: Vec<u64>,
    place: Place,
}

/// Sends numbers, from behind what the session has taken.
async fn send(session: Session) {
    let mut stream = match session.restored().first() {
        Some(restored) => session.take_restored(restored.id).unwrap(),
        None => session.open(StreamOptions::default()).await.unwrap(),
    };
    let restored = session.restored();
    assert!(restored.is_empty(), "each can be taken once");
    let taken = session.taken(stream.id()).messages;
    for number in taken..MESSAGES {
        let message = Bytes::copy_from_slice(&number.to_be_bytes());
        if stream.sender().send(message).await.is_err() {
            panic!("{:?}, {:?}", session.ended(), session.store_error());
        }
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    std::future::pending::<()>().await;
}

/// Receives them, into a database that lasts.
async fn receive(address: SocketAddr, store: Arc<MemoryStore>, received: Arc<Mutex<Received>>) {
    let listener = loop {
        // The process before may still be about to die.
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    let mut server = Server::new(server()).unwrap();
    let failed = server.restore(store as _).await.unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    server.listen_tcp(listener);
    let accepted = server.accept().await;
    let session = accepted.session;
    let mut stream = match session.restored().first() {
        Some(restored) => session.take_restored(restored.id).unwrap(),
        None => session.accept().await.unwrap(),
    };
    let place = received.lock().unwrap().place;
    stream.receiver().consumed(place).unwrap();
    while let Some(message) = stream.receiver().recv().await.unwrap() {
        let number = u64::from_be_bytes(message[..].try_into().unwrap());
        let place = stream.receiver().place();
        {
            // One transaction.
            let mut received = received.lock().unwrap();
            received.numbers.push(number);
            received.place = place;
        }
        stream.receiver().consumed(place).unwrap();
    }
}

#[test]
fn numbers_arrive_once_and_in_order_whoever_dies() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let (sender, receiver) = (Arc::<MemoryStore>::default(), Arc::<MemoryStore>::default());
    let received = Arc::<Mutex<Received>>::default();
    let start_server = || {
        let process = process();
        process.spawn(receive(address, Arc::clone(&receiver), Arc::clone(&received)));
        process
    };
    let start_client = || {
        let process = process();
        let store = Arc::clone(&sender);
        process.spawn(async move { send(dial(&store, address).await).await });
        process
    };
    let (mut server, mut client) = (start_server(), start_client());
    let begun = Instant::now();
    let arrived = || received.lock().unwrap().numbers.len() as u64;
    for kill in 1..=KILLS {
        while arrived() < kill * MESSAGES / (KILLS + 1) {
            assert!(begun.elapsed() < common::LIMIT, "{} arrived", arrived());
            std::thread::sleep(Duration::from_millis(1));
        }
        if kill % 3 != 1 {
            server.shutdown_timeout(common::LIMIT);
            server = start_server();
        }
        if kill % 3 != 2 {
            client.shutdown_timeout(common::LIMIT);
            client = start_client();
        }
    }
    while arrived() < MESSAGES {
        assert!(begun.elapsed() < common::LIMIT, "{} arrived", arrived());
        std::thread::sleep(Duration::from_millis(1));
    }
    let received = received.lock().unwrap();
    assert_eq!(received.numbers, (0..MESSAGES).collect::<Vec<_>>());
    server.shutdown_background();
    client.shutdown_background();
}

#[tokio::test]
async fn a_session_that_is_suspended_goes_on_and_one_that_is_closed_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = server();
    config.tombstone_lifetime = Duration::from_millis(500);
    let mut listening = Server::new(config).unwrap();
    let kept: Arc<MemoryStore> = Arc::default();
    assert!(listening.restore(Arc::clone(&kept) as _).await.unwrap().is_empty());
    listening.listen_tcp(listener);
    let store = Arc::new(MemoryStore::default());
    let session = dial(&store, address).await;
    let mut stream = session.open(StreamOptions::default()).await.unwrap();
    stream.sender().send("one".into()).await.unwrap();
    let accepted = listening.accept().await.session;
    let mut theirs = accepted.accept().await.unwrap();
    assert_eq!(theirs.receiver().recv().await.unwrap().unwrap(), "one");
    session.suspend().await;
    assert_eq!(session.ended().unwrap().reason, EndReason::Moved);
    assert!(accepted.ended().is_none());
    drop((stream, session));
    let session = dial(&store, address).await;
    assert_eq!(session.restored().len(), 1);
    let mut stream = session.take_restored(session.restored()[0].id).unwrap();
    stream.sender().send("two".into()).await.unwrap();
    assert_eq!(theirs.receiver().recv().await.unwrap().unwrap(), "two");
    let ended = session.close(0, Bytes::new()).await.unwrap();
    assert!(ended.fates.all_delivered());
    session.disconnected().await;
    accepted.disconnected().await;
    assert!(store.list().await.unwrap().is_empty());
    assert!(kept.abandoned().await.unwrap().is_empty(), "nobody goes on with it");
    let begun = Instant::now();
    while !kept.list().await.unwrap().is_empty() {
        assert!(begun.elapsed() < common::LIMIT, "its tombstone stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_session_goes_on_on_another_device() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut listening = Server::new(server_config()).unwrap();
    listening.listen_tcp(listener);
    let (laptop, phone) = (Arc::new(MemoryStore::default()), Arc::new(MemoryStore::default()));
    let session = dial(&laptop, address).await;
    let mut stream = session.open(StreamOptions::default()).await.unwrap();
    stream.sender().send("one".into()).await.unwrap();
    let accepted = listening.accept().await.session;
    let mut theirs = accepted.accept().await.unwrap();
    theirs.sender().send("answer".into()).await.unwrap();
    let key = AtRest::sealed([8; 32]);
    let ticket = session.export(&key).await.unwrap();
    assert_eq!(session.ended().unwrap().reason, EndReason::Moved);
    assert!(laptop.list().await.unwrap().is_empty(), "nothing of it stays there");
    let connector = connector(Address::parse(&format!("tcp://{address}")).unwrap());
    let place = Some((Arc::clone(&phone) as Arc<dyn Store>, "client".parse().unwrap()));
    let seed = unbroken_tokio::driver::fresh_seed().unwrap();
    let imported = import(&Tokio, client(), seed, connector, (ticket, &key), place).await;
    let (session, driver) = imported.unwrap();
    tokio::spawn(driver);
    let mut stream = session.take_restored(stream.id()).unwrap();
    assert_eq!(stream.receiver().recv().await.unwrap().unwrap(), "answer");
    stream.sender().send("two".into()).await.unwrap();
    for expected in ["one", "two"] {
        assert_eq!(theirs.receiver().recv().await.unwrap().unwrap(), expected);
    }
    assert_eq!(phone.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn where_there_are_no_tombstones_nothing_stays_of_a_session_that_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = server();
    config.max_tombstones = 0;
    let mut listening = Server::new(config).unwrap();
    let kept: Arc<MemoryStore> = Arc::default();
    assert!(listening.restore(Arc::clone(&kept) as _).await.unwrap().is_empty());
    listening.listen_tcp(listener);
    let session = dial(&Arc::default(), address).await;
    let accepted = listening.accept().await.session;
    assert_eq!(kept.list().await.unwrap().len(), 1);
    let _ended = soon("its end", session.close(0, Bytes::new())).await.unwrap();
    soon("its end", accepted.disconnected()).await;
    common::eventually("the store is told", || listening.handle().sessions().is_empty()).await;
    assert!(kept.list().await.unwrap().is_empty());
}

/// The process that ended the session is gone, and so is all that it remembered by itself.
#[tokio::test]
async fn a_client_that_comes_late_learns_from_the_next_process_how_its_session_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let kept: Arc<MemoryStore> = Arc::default();
    let mut first = Server::new(server()).unwrap();
    assert!(first.restore(Arc::clone(&kept) as _).await.unwrap().is_empty());
    first.listen_tcp(listener);
    let store = Arc::new(MemoryStore::default());
    let session = dial(&store, address).await;
    let mut stream = session.open(StreamOptions::default()).await.unwrap();
    stream.sender().send("one".into()).await.unwrap();
    let accepted = first.accept().await.session;
    let mut theirs = accepted.accept().await.unwrap();
    assert_eq!(theirs.receiver().recv().await.unwrap().unwrap(), "one");
    session.suspend().await;
    drop((stream, session));
    let _ended = soon("its end", accepted.abort()).await;
    soon("its end", accepted.disconnected()).await;
    drop((accepted, theirs, first));

    let next = Server::new(server()).unwrap();
    assert!(next.restore(Arc::clone(&kept) as _).await.unwrap().is_empty());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    next.listen_tcp(listener);
    let session = dial(&store, address).await;
    soon("its end", session.disconnected()).await;
    let ended = session.ended().unwrap();
    assert_eq!(ended.reason, EndReason::Expired);
    assert!(ended.fates.all_delivered(), "{ended:?}");
}
