//! The accepting side: strangers, drains, clean-up; blocking and stepped.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use unbroken_tungstenite::proto::ServerConfig;
use unbroken_tungstenite::proto::event::EndReason;
use unbroken_tungstenite::proto::server::{Drain, EndedSession, Select, SessionCommand};
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::{
    Acceptor, Interest, RecvHalf, SendHalf, Server, Session, Stepper, block_on, block_on_within, carriers,
};

use crate::common::{LIMIT, client_config, connect, eventually, free_port, serve, server_config};

/// What a stranger hears until the server closes.
fn read_all(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut heard = Vec::new();
    // A reset says goodbye, too.
    let _end = stream.read_to_end(&mut heard);
    heard
}

/// The next session that is over.
fn next_ended(server: &Server, within: Duration) -> Option<EndedSession> {
    block_on_within(within, server.handle().ended())
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
    server.listen(listener, Acceptor::websocket()).unwrap();
    let strangers = [address, ws].map(|address| TcpStream::connect(address).unwrap());
    let mut half = TcpStream::connect(ws).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").unwrap();
    for stranger in strangers.into_iter().chain([half]) {
        assert_eq!(read_all(stranger), [0u8; 0]);
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
        assert_eq!(read_all(stream), [0u8; 0]);
    }
    let client = connect(address);
    client.established_within(LIMIT).unwrap().unwrap();
    eventually("the session", || server.handle().sessions().len() == 1);
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
    let ids: BTreeSet<_> = accepted
        .iter()
        .map(|accepted| accepted.session.get_ref().id().unwrap())
        .collect();
    assert!(next_ended(&server, Duration::from_millis(1)).is_none());
    let first = clients[0].get_ref().id().unwrap();
    let order = SessionCommand::Close {
        code: 9,
        reason: Bytes::new(),
    };
    assert_eq!(server.handle().command(Select::Session(first), &order), Ok(1));
    let ended = clients[0].closed_within(LIMIT).unwrap();
    assert!(matches!(ended.reason, EndReason::Closed { code: 9, .. }), "{ended:?}");

    let plan = Drain::within(LIMIT).with_spread(Duration::ZERO);
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| block_on(server.handle().drain(plan)));
        for client in &clients[1..] {
            client.close(0, Bytes::new()).unwrap();
        }
        assert_eq!(draining.join().unwrap().unwrap().connected, 0);
    });
    let mut over = BTreeSet::new();
    while over.len() < 5 {
        let ended = next_ended(&server, LIMIT).unwrap();
        assert!(over.insert(ended.info.id), "cleaned up twice");
    }
    assert_eq!(over, ids);
    assert!(next_ended(&server, Duration::from_millis(1)).is_none());
}

#[test]
fn sessions_that_are_over_wait_to_be_accepted_only_with_something_to_read() {
    let (server, address) = serve(server_config());
    for number in 0..150 {
        let client = connect(address);
        client.established_within(LIMIT).unwrap().unwrap();
        if number % 15 == 0 {
            let (mut send, _recv) = client.open(StreamOptions::default()).unwrap().split();
            send.send(Bytes::from("delivered")).unwrap();
            send.finish();
        }
        assert!(client.close(0, Bytes::new()).unwrap().fates.all_delivered());
    }
    // Provisional ones, which no list shows, included.
    eventually("the registry forgot them", || {
        server.handle().registry(|registry, _| registry.session_count() == 0)
    });
    for _ in 0..10 {
        let session = server.accept_within(LIMIT).unwrap().session;
        let (_send, mut recv) = session.accept().unwrap().split();
        assert_eq!(recv.recv().unwrap().unwrap(), "delivered");
    }
    assert!(server.accept_within(Duration::from_millis(1)).is_none());
}

#[test]
fn a_server_of_which_nobody_is_left() {
    let (listener, address) = free_port();
    let server = Server::new(server_config()).unwrap();
    server.listen(listener, Acceptor::tcp()).unwrap();
    let client = connect(address);
    client.established_within(LIMIT).unwrap().unwrap();
    // The session waits to be accepted; its only handle goes with the server, and closes it.
    eventually("the session", || server.handle().sessions().len() == 1);
    drop(server);
    let ended = client.closed_within(LIMIT).unwrap();
    assert!(matches!(ended.reason, EndReason::Closed { code: 0, .. }), "{ended:?}");
}

/// A server and clients in one loop that asks all sockets again and again, as the host of an edge-triggered poll may.
struct Loop {
    stepper: Stepper,
    server: Server,
    clients: Vec<Session>,
    accepted: Vec<Session>,
}

impl Loop {
    fn new(config: ServerConfig, clients: usize) -> (Loop, SocketAddr) {
        let (listener, address) = free_port();
        let stepper = Stepper::new().unwrap();
        let runtime = stepper.runtime();
        let server = Server::with_runtime(runtime.clone(), config, |_: &_| Ok(())).unwrap();
        server.listen(listener, Acceptor::tcp()).unwrap();
        let clients = (0..clients)
            .map(|_| Session::from(carriers::connect(runtime.clone(), address.into(), client_config()).unwrap()));
        let clients = clients.collect();
        let accepted = Vec::new();
        (
            Loop {
                stepper,
                server,
                clients,
                accepted,
            },
            address,
        )
    }

    fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Loop) -> bool) {
        eventually(what, || {
            self.stepper.step();
            self.accepted.extend(
                self.server
                    .accept_within(Duration::ZERO)
                    .map(|accepted| accepted.session),
            );
            condition(self)
        });
    }
}

#[test]
fn a_stepped_server_drains_and_forgets() {
    let (mut host, _) = Loop::new(server_config(), 3);
    host.until("three sessions", |host| host.accepted.len() == 3);
    assert!(next_ended(&host.server, Duration::ZERO).is_none());
    host.server.handle().registry(|registry, now| {
        registry.drain(now, Drain::within(LIMIT).with_spread(Duration::ZERO));
    });
    // Asked to leave, they come again: to the same place, as they know no other.
    host.until("planned swaps", |host| {
        host.clients.iter().all(|client| client.get_ref().stats().attaches >= 2)
    });
    for client in &host.clients {
        assert!(client.close_within(0, Bytes::new(), Duration::ZERO).unwrap().is_none());
    }
    host.until("the end", |host| {
        let mut all = host.clients.iter().chain(&host.accepted);
        all.all(|session| session.get_ref().ended().is_some())
    });
    let mut over = BTreeSet::new();
    host.until("all cleaned up", |host| {
        while let Some(ended) = next_ended(&host.server, Duration::ZERO) {
            assert!(over.insert(ended.info.id), "cleaned up twice");
        }
        over.len() == 3
    });
    let status = host
        .server
        .handle()
        .registry(|registry, _| registry.draining())
        .unwrap();
    assert_eq!((status.connected, status.detached, status.unasked), (0, 0, 0));
    // The listener's socket and the one that wakes the loop; not the drained sessions'.
    host.until("all closed", |host| host.stepper.interests().len() == 2);
}

#[test]
fn a_stepped_server_lets_strangers_go() {
    let (mut host, address) = Loop::new(impatient(), 0);
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.set_nonblocking(true).unwrap();
    host.until("a connection", |host| host.stepper.interests().len() == 3);
    host.until("a goodbye", |_| matches!(stranger.read(&mut [0]), Ok(0)));
    assert_eq!(host.stepper.interests().len(), 2);
}

/// A host that waits only for what it was told to wait for, with poll(2), is never late.
#[test]
fn what_a_stepper_says_is_enough_to_wait_for() {
    let (mut host, _) = Loop::new(server_config(), 1);
    let client = host.clients[0].clone();
    let talking = std::thread::spawn(move || {
        client.established_within(LIMIT).unwrap().unwrap();
        let (mut send, mut recv) = client.open(StreamOptions::default()).unwrap().split();
        for number in 0..200u8 {
            send.send(Bytes::from(vec![number; 3_000])).unwrap();
            assert_eq!(recv.recv().unwrap().unwrap(), vec![number; 3_000]);
        }
        client.close(0, Bytes::new())
    });
    let mut stream = None;
    while !talking.is_finished() {
        host.stepper.step();
        if host.accepted.is_empty() {
            host.accepted.extend(
                host.server
                    .accept_within(Duration::ZERO)
                    .map(|accepted| accepted.session),
            );
        } else if let Some((send, recv)) = &mut stream {
            let (send, recv): (&mut SendHalf, &mut RecvHalf) = (send, recv);
            while let Ok(Some(message)) = recv.recv() {
                send.send(message).unwrap();
            }
        } else if let Some(Some(mut accepted)) = host.accepted[0].accept_within(Duration::ZERO) {
            accepted.set_timeout(Some(Duration::ZERO));
            stream = Some(accepted.split());
            continue;
        }
        let interests = host.stepper.interests();
        let mut polled: Vec<_> = interests.iter().map(poll_fd).collect();
        // The test's own thread ends without waking anybody here: look again some time.
        let most = Duration::from_secs(1);
        let limit = host.stepper.timeout().map_or(most, |limit| limit.min(most));
        poll(&mut polled, Some(&Timespec::try_from(limit).unwrap())).unwrap();
    }
    assert!(talking.join().unwrap().unwrap().fates.all_delivered());
}

fn poll_fd(interest: &Interest) -> PollFd<'_> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.is_readable());
    flags.set(PollFlags::OUT, interest.is_writable());
    PollFd::from_borrowed_fd(interest.as_fd(), flags)
}
