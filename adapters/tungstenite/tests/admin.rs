//! The accepting side: strangers, drains, clean-up; blocking and stepped.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{LIMIT, client_config, connect, eventually, free_port, serve, server_config};
use unbroken_tungstenite::proto::event::EndReason;
use unbroken_tungstenite::proto::server::{Drain, Placement, Select, SessionCommand};
use unbroken_tungstenite::proto::{Carrier, ServerConfig, SessionId};
use unbroken_tungstenite::{Framed, Server, StepServer, Stepper, fresh_seed, uptime};

/// What a stranger hears until the server closes.
fn hear(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut heard = Vec::new();
    // A reset says goodbye, too.
    let _end = stream.read_to_end(&mut heard);
    heard
}

fn impatient() -> ServerConfig {
    let mut config = server_config();
    config.session.handshake_timeout = Duration::from_millis(50);
    config
}

#[test]
fn silent_strangers_are_let_go() {
    let (server, address) = serve(impatient());
    let (listener, ws) = free_port();
    server.listen_ws(listener).unwrap();
    let strangers = [address, ws].map(|address| TcpStream::connect(address).unwrap());
    let mut half = TcpStream::connect(ws).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").unwrap();
    for stranger in strangers.into_iter().chain([half]) {
        assert_eq!(hear(stranger), []);
    }
}

#[test]
fn senseless_strangers_are_turned_away() {
    let (server, address) = serve(server_config());
    for senseless in [
        &[0, 3, 99, 2, 3][..],
        &[0, 0],
        &[255, 255, 1],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(senseless).unwrap();
        assert_eq!(hear(stream), []);
    }
    let client = connect(address);
    client.established_within(LIMIT).unwrap().unwrap();
    eventually("the session", || server.sessions().len() == 1);
}

#[test]
fn more_strangers_than_may_wait() {
    let mut config = server_config();
    config.max_silent = 2;
    let (_server, address) = serve(config);
    let mut strangers: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    // The oldest gives way; whichever thread of theirs came first.
    let began = Instant::now();
    let mut gone = 0;
    while gone == 0 {
        assert!(began.elapsed() < LIMIT, "nobody gave way");
        strangers.retain_mut(|stranger| {
            stranger.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            let silent = stranger.read(&mut [0]).is_err();
            gone += usize::from(!silent);
            silent
        });
    }
    assert_eq!(strangers.len(), 2);
    let client = connect(address);
    client.established_within(LIMIT).unwrap().unwrap();
}

#[test]
fn orders_drain_and_clean_up_exactly_once() {
    let (server, address) = serve(server_config());
    let clients: Vec<_> = (0..5).map(|_| connect(address)).collect();
    let accepted: Vec<_> = (0..5).map(|_| server.accept_within(LIMIT).unwrap()).collect();
    let ids: BTreeSet<_> = accepted.iter().map(|accepted| accepted.session.id().unwrap()).collect();
    assert!(server.ended_within(Duration::from_millis(1)).is_none());
    let first = clients[0].id().unwrap();
    let order = SessionCommand::Close {
        code: 9,
        reason: Bytes::new(),
    };
    assert_eq!(server.command(Select::Session(first), &order), 1);
    let ended = clients[0].closed_within(LIMIT).unwrap();
    assert!(matches!(ended.reason, EndReason::Closed { code: 9, .. }), "{ended:?}");

    let plan = Drain {
        within: LIMIT,
        spread: Duration::ZERO,
        alternate: Bytes::new(),
    };
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| server.drain(plan));
        for client in &clients[1..] {
            client.close(0, Bytes::new());
        }
        assert_eq!(draining.join().unwrap().unwrap().connected, 0);
    });
    let mut over = BTreeSet::new();
    while over.len() < 5 {
        let ended = server.ended_within(LIMIT).unwrap();
        assert!(over.insert(ended.info.id), "cleaned up twice");
    }
    assert_eq!(over, ids);
    assert!(server.ended_within(Duration::from_millis(1)).is_none());
}

#[test]
fn sessions_that_nobody_accepts_are_bounded_by_those_that_live() {
    let (server, address) = serve(server_config());
    for _ in 0..140 {
        let client = connect(address);
        client.established_within(LIMIT).unwrap().unwrap();
        client.close(0, Bytes::new());
    }
    eventually("the registry forgot them", || server.sessions().is_empty());
    let mut kept = 0;
    while server.accept_within(Duration::from_millis(1)).is_some() {
        kept += 1;
    }
    assert!((1..=128).contains(&kept), "{kept}");
}

#[test]
fn a_server_of_which_nobody_is_left() {
    let (listener, address) = free_port();
    let server = Server::new(server_config()).unwrap();
    server.listen_tcp(listener).unwrap();
    let client = connect(address);
    client.established_within(LIMIT).unwrap().unwrap();
    // The session waits to be accepted; its only handle goes with the server, and closes it.
    eventually("the session", || server.sessions().len() == 1);
    drop(server);
    let ended = client.closed_within(LIMIT).unwrap();
    assert!(matches!(ended.reason, EndReason::Closed { code: 0, .. }), "{ended:?}");
}

type Line = Framed<TcpStream>;

/// A stepped server and clients in one loop that asks all sockets again and again.
struct House {
    listener: std::net::TcpListener,
    server: StepServer<Line>,
    clients: Vec<Stepper<Line>>,
    /// Known ids, in the order of their coming.
    known: Vec<SessionId>,
}

impl House {
    fn new(config: ServerConfig, clients: usize) -> House {
        let (listener, _) = free_port();
        listener.set_nonblocking(true).unwrap();
        let admit = |_: &_| Ok(Placement::default());
        let clients = (0..clients).map(|_| Stepper::connect(client_config(), fresh_seed().unwrap(), uptime()).unwrap());
        House {
            server: StepServer::new(config, fresh_seed().unwrap(), uptime(), admit).unwrap(),
            listener,
            clients: clients.collect(),
            known: Vec::new(),
        }
    }

    fn turn(&mut self) {
        let now = uptime();
        for client in &mut self.clients {
            while let Some(intent) = client.poll_intent(now) {
                let stream = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
                stream.set_nonblocking(true).unwrap();
                client.dialled(intent.attempt, Carrier::ordered(), Framed::new(stream));
            }
            let next = client.step(now);
            let heard = next.at_once || client.poll_intent(now).is_none();
            assert!(heard, "a wish that a host which waits would not hear of");
        }
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            self.server.accept(now, Carrier::ordered(), Framed::accepted(stream));
        }
        self.server.step(now);
        while let Some((id, _)) = self.server.poll_established() {
            self.known.push(id);
        }
    }

    fn until(&mut self, what: &str, mut condition: impl FnMut(&mut House) -> bool) {
        eventually(what, || {
            self.turn();
            condition(self)
        });
    }
}

#[test]
fn a_stepped_server_drains_and_forgets() {
    let mut house = House::new(server_config(), 3);
    house.until("three sessions", |house| house.known.len() == 3);
    let now = uptime();
    house.server.registry().drain(
        now,
        Drain {
            within: LIMIT,
            spread: Duration::ZERO,
            alternate: Bytes::new(),
        },
    );
    // Asked to leave, they come again: to the same place, as they know no other.
    house.until("planned swaps", |house| {
        house
            .clients
            .iter()
            .all(|client| client.session().stats().attaches >= 2)
    });
    for client in &mut house.clients {
        client.session_mut().close(uptime(), 0, Bytes::new());
    }
    house.until("the end", |house| house.clients.iter().all(Stepper::is_over));
    let ids = house.known.clone();
    house.until("all removed", |house| {
        house.known.retain(|id| house.server.remove(*id).is_none());
        house.known.is_empty()
    });
    assert!(ids.iter().all(|id| house.server.session_mut(*id).is_none()));
    let status = house.server.registry().draining().unwrap();
    assert_eq!((status.connected, status.detached, status.unasked), (0, 0, 0));
}

#[test]
fn a_stepped_server_lets_strangers_go() {
    let mut house = House::new(impatient(), 0);
    let mut stranger = TcpStream::connect(house.listener.local_addr().unwrap()).unwrap();
    stranger.set_nonblocking(true).unwrap();
    house.until("a connection", |house| house.server.connections().count() == 1);
    house.until("a goodbye", |_| matches!(stranger.read(&mut [0]), Ok(0)));
    assert_eq!(house.server.connections().count(), 0);
}
