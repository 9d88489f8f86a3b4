//! Servers that share a store: a session goes on at whichever of them its client is led to.

mod shared;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use shared::{Lead, Node, Shelf};
use tokio::net::TcpListener;
use unbroken_tokio::proto::Duration;
use unbroken_tokio::proto::event::EndReason;
use unbroken_tokio::proto::security::AtRest;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{Accepted, RecvHalf, SendHalf, Server, Session};

use crate::common::{client_config, eventually, server_config, soon};

/// How long a handshake may take, unless a test waits for that.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server, and the sessions that its application had.
struct Serving {
    address: SocketAddr,
    node: Arc<Node>,
    sessions: Arc<Mutex<Vec<Session>>>,
    handle: Arc<unbroken_tokio::driver::ServerHandle>,
}

impl Serving {
    async fn start(name: &'static str, shelf: &Arc<Shelf>, (key, patience): (u8, Duration)) -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = server_config();
        config.session.durable = Some(AtRest::sealed([key; 32]));
        config.session.handshake_timeout = patience;
        let mut server = Server::new(config).unwrap();
        let node = Arc::new(shelf.node(name));
        assert!(server.restore(Arc::clone(&node) as _).await.unwrap().is_empty());
        server.listen_tcp(listener);
        let handle = Arc::clone(server.handle());
        let sessions = Arc::<Mutex<Vec<Session>>>::default();
        let kept = Arc::clone(&sessions);
        tokio::spawn(async move {
            loop {
                let accepted = server.accept().await;
                kept.lock().unwrap().push(accepted.session.clone());
                tokio::spawn(answer(name, accepted));
            }
        });
        Serving {
            address,
            node,
            sessions,
            handle,
        }
    }

    fn reasons(&self) -> Vec<Option<EndReason>> {
        let sessions = self.sessions.lock().unwrap();
        let reason = |session: &Session| session.ended().map(|ended| ended.reason.clone());
        sessions.iter().map(reason).collect()
    }
}

/// Says to each message which one it was, and who is asked.
async fn answer(name: &str, accepted: Accepted) {
    let session = accepted.session;
    let stream = match session.restored().first() {
        Some(stream) => session.take_restored(stream.id),
        None => session.accept().await,
    };
    let Some(stream) = stream else { return };
    let answered = session.taken(stream.id()).messages;
    let (mut send, mut recv) = stream.split();
    while let Ok(Some(_)) = recv.recv().await {
        let place = recv.place();
        if place.messages > answered && send.send(format!("{name} {}", place.messages).into()).await.is_err() {
            return;
        }
        if recv.consumed(place).is_err() {
            return;
        }
    }
}

/// Two servers, and a client that is led to the first.
struct Fleet {
    shelf: Arc<Shelf>,
    a: Serving,
    b: Serving,
    lead: Lead,
    session: Session,
    send: SendHalf,
    recv: RecvHalf,
}

impl Fleet {
    async fn start(shelf: Shelf) -> Fleet {
        Fleet::with(shelf, (5, PATIENCE)).await
    }

    /// With what the second one is started with.
    async fn with(shelf: Shelf, b: (u8, Duration)) -> Fleet {
        let shelf = Arc::new(shelf);
        let a = Serving::start("a", &shelf, (5, PATIENCE)).await;
        let b = Serving::start("b", &shelf, b).await;
        let lead = Lead::new(a.address).await;
        let session = unbroken_tokio::connect_tcp(lead.address().to_string(), client_config()).unwrap();
        let stream = session.open(StreamOptions::default()).await.unwrap();
        let (send, recv) = stream.split();
        let mut fleet = Fleet {
            shelf,
            a,
            b,
            lead,
            session,
            send,
            recv,
        };
        assert_eq!(fleet.ask().await, "a 1");
        fleet
    }

    async fn ask(&mut self) -> Bytes {
        self.send.send("ask".into()).await.unwrap();
        soon("an answer", self.recv.recv()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_node_that_lives_gives_a_session_up_and_takes_it_back() {
    let mut fleet = Fleet::start(Shelf::polite()).await;
    for (address, expected) in [
        (fleet.b.address, "b 2"),
        (fleet.a.address, "a 3"),
        (fleet.b.address, "b 4"),
    ] {
        fleet.lead.to(address);
        assert_eq!(fleet.ask().await, expected);
    }
    assert_eq!(fleet.a.reasons(), [Some(EndReason::Moved), Some(EndReason::Moved)]);
    assert_eq!(fleet.b.reasons(), [Some(EndReason::Moved), None]);
    assert_eq!(fleet.ask().await, "b 5");
}

/// Nobody was asked, as after a lease that ran out: the copy that was left behind says nothing, and is given up for what is kept.
#[tokio::test]
async fn a_copy_that_was_left_behind_gives_way_to_what_is_kept() {
    let mut fleet = Fleet::start(Shelf::rude()).await;
    fleet.lead.to(fleet.b.address);
    assert_eq!(fleet.ask().await, "b 2");
    assert_eq!(fleet.a.reasons(), [None], "it does not know");
    fleet.lead.to(fleet.a.address);
    assert_eq!(fleet.ask().await, "a 3");
    assert_eq!(fleet.a.reasons(), [Some(EndReason::Superseded), None]);
}

/// The same, and it ends its copy before it hears of that: its client is not told that the session is over.
#[tokio::test]
async fn what_a_copy_that_was_left_behind_ends_goes_on() {
    let mut fleet = Fleet::start(Shelf::rude()).await;
    fleet.lead.to(fleet.b.address);
    assert_eq!(fleet.ask().await, "b 2");
    let copy = fleet.a.sessions.lock().unwrap()[0].clone();
    let _ended = soon("its end", copy.abort()).await;
    soon("its end", copy.disconnected()).await;
    eventually("the store is told", || fleet.a.handle.sessions().is_empty()).await;
    fleet.lead.to(fleet.a.address);
    assert_eq!(fleet.ask().await, "a 3");
    assert!(fleet.session.ended().is_none());
}

#[tokio::test]
async fn a_session_that_was_suspended_is_taken_up_when_its_client_comes() {
    let mut fleet = Fleet::start(Shelf::polite()).await;
    let session = fleet.a.sessions.lock().unwrap()[0].clone();
    soon("it is kept", session.suspend()).await;
    assert_eq!(fleet.ask().await, "a 2");
    assert_eq!(fleet.a.reasons(), [Some(EndReason::Moved), None]);
}

/// A node that cannot ask its store says that it is too early, and nothing else.
#[tokio::test]
async fn a_store_that_does_not_answer_ends_nothing() {
    let mut fleet = Fleet::start(Shelf::polite()).await;
    fleet.shelf.fail_reads(true);
    fleet.lead.to(fleet.b.address);
    eventually("it was looked up", || fleet.b.handle.lookup_error().is_some()).await;
    assert!(fleet.session.ended().is_none());
    fleet.shelf.fail_reads(false);
    assert_eq!(fleet.ask().await, "b 2");
}

/// One whose store says nothing at all does not wait for it longer than for a client.
#[tokio::test]
async fn a_store_that_hangs_is_not_waited_for() {
    let mut fleet = Fleet::with(Shelf::polite(), (5, Duration::from_secs(1))).await;
    fleet.shelf.hang_reads(true);
    fleet.lead.to(fleet.b.address);
    eventually("it was looked up", || fleet.b.handle.lookup_error().is_some()).await;
    assert!(fleet.session.ended().is_none());
    fleet.shelf.hang_reads(false);
    assert_eq!(fleet.ask().await, "b 2");
}

/// So does one that has another key.
#[tokio::test]
async fn a_node_with_another_key_ends_nothing() {
    let mut fleet = Fleet::with(Shelf::polite(), (6, PATIENCE)).await;
    fleet.lead.to(fleet.b.address);
    eventually("it was looked up", || fleet.b.handle.lookup_error().is_some()).await;
    fleet.lead.to(fleet.a.address);
    assert_eq!(fleet.ask().await, "a 2");
    assert_eq!(fleet.a.reasons(), [None], "nobody moved it");
}

/// The store is told again that a session was left, until it answers.
#[tokio::test]
async fn a_release_that_fails_is_said_again() {
    let mut fleet = Fleet::start(Shelf::polite()).await;
    fleet.shelf.fail_releases(2);
    fleet.lead.to(fleet.b.address);
    assert_eq!(fleet.ask().await, "b 2");
    assert_eq!(fleet.a.reasons(), [Some(EndReason::Moved)]);
}

/// What another process has taken in meanwhile is not abandoned any more, and stays where it is.
#[tokio::test]
async fn restoring_takes_nothing_from_a_node_that_lives() {
    let mut fleet = Fleet::start(Shelf::polite()).await;
    fleet.b.node.list_all_as_abandoned();
    let restoration = fleet.b.handle.restore().await.unwrap();
    assert!(restoration.sessions.is_empty() && restoration.failed.is_empty());
    assert_eq!(fleet.ask().await, "a 2");
    assert_eq!(fleet.a.reasons(), [None]);
}

/// A session that is over leaves a tombstone where all nodes find it; that its owner has left is said until the store hears it.
#[tokio::test]
async fn a_client_learns_at_another_node_how_its_session_ended() {
    for failing in [0, 2] {
        let fleet = Fleet::start(Shelf::polite()).await;
        let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
        fleet.lead.to(nowhere.local_addr().unwrap());
        let ours = fleet.a.sessions.lock().unwrap()[0].clone();
        fleet.shelf.fail_releases(failing);
        let _ended = soon("its end", ours.abort()).await;
        soon("its end", ours.disconnected()).await;
        eventually("the store is told", || fleet.a.handle.sessions().is_empty()).await;
        fleet.lead.to(fleet.b.address);
        eventually("it hears", || fleet.session.ended().is_some()).await;
        let ended = fleet.session.ended().unwrap();
        assert_eq!(ended.reason, EndReason::Expired);
        assert!(ended.fates.all_delivered(), "{ended:?}");
        assert!(fleet.b.reasons().is_empty(), "nobody went on with it");
    }
}

/// Where there is no room for a tombstone the session is removed all the same: what is over does not come back.
#[tokio::test]
async fn a_session_that_ended_is_gone_though_the_store_is_full() {
    let fleet = Fleet::start(Shelf::polite()).await;
    fleet.shelf.fill();
    let ours = fleet.a.sessions.lock().unwrap()[0].clone();
    let _ended = soon("its end", ours.abort()).await;
    soon("its end", ours.disconnected()).await;
    eventually("the store is told", || fleet.a.handle.sessions().is_empty()).await;
    assert!(fleet.shelf.list().await.is_empty());
}

/// The same at the node that has a copy from before, and does not know that another one went on with it.
#[tokio::test]
async fn a_copy_that_was_left_behind_hides_no_end() {
    let mut fleet = Fleet::start(Shelf::rude()).await;
    fleet.lead.to(fleet.b.address);
    assert_eq!(fleet.ask().await, "b 2");
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    fleet.lead.to(nowhere.local_addr().unwrap());
    let ours = fleet.b.sessions.lock().unwrap()[0].clone();
    let _ended = soon("its end", ours.abort()).await;
    soon("its end", ours.disconnected()).await;
    eventually("the store is told", || fleet.b.handle.sessions().is_empty()).await;
    fleet.lead.to(fleet.a.address);
    eventually("it hears", || fleet.session.ended().is_some()).await;
    let ended = fleet.session.ended().unwrap();
    assert_eq!(ended.reason, EndReason::Expired);
    assert!(ended.fates.all_delivered(), "{ended:?}");
    assert_eq!(fleet.a.reasons(), [Some(EndReason::Superseded)]);
}
