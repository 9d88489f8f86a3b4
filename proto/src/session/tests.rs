//! The machine's own smoke tests; everything beyond stands in the `unbroken-tests` crate.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::config::ServerConfig;
use crate::event::{Closer, EndReason, Event, Swap};
use crate::security::{Auth, ServerAuth, SharedSecret};
use crate::server::{Admission, Registry, Route};

struct Pair {
    now: Instant,
    registry: Registry,
    client: Session,
    server: Option<Session>,
    /// The connections: the client's epoch and, once it has one, the server's.
    links: Vec<(Epoch, Option<Epoch>)>,
}

impl Pair {
    fn new() -> Pair {
        let secret = SharedSecret::from_key(b"test", [7; 32]).expect("because the hint is short");
        let config = ServerConfig::new(ServerAuth::secrets(alloc::vec![secret.clone()]));
        let now = Instant::from_millis(1_000);
        let registry = Registry::new(config, Seed([1; 32]), now).expect("because the defaults are valid");
        let client = Session::connect(ClientConfig::new(Auth::secret(secret)), Seed([2; 32]), now)
            .expect("because the defaults are valid");
        Pair { now, registry, client, server: None, links: Vec::new() }
    }

    /// Answers the client's wish and carries packets until nobody has any.
    fn dial(&mut self) {
        let epoch = self.client.attach(self.now, Carrier::ordered()).expect("because a connection is wanted");
        self.links.push((epoch, None));
        let mut incoming = None;
        let connection = self.registry.connection_accepted(self.now, Carrier::ordered());
        let mut hello = Vec::new();
        assert!(self.client.poll_transmit(self.now, epoch, &mut hello));
        match self.registry.first_packet(self.now, connection, BytesMut::from(&hello[..])) {
            Route::Handshake(handshake) => incoming = Some(handshake),
            Route::Resume { incoming, .. } => {
                let server = self.server.as_mut().expect("because it is registered");
                self.links.last_mut().expect("because just pushed").1 =
                    Some(server.adopt(self.now, incoming).expect("because the proof is good"));
            }
            Route::Reject(rejection) => panic!("rejected: {rejection:?}"),
        }
        if let Some(mut incoming) = incoming {
            let mut challenge = Vec::new();
            assert!(incoming.poll_transmit(&mut challenge));
            self.client.handle_input(self.now, epoch, BytesMut::from(&challenge[..])).expect("because it is honest");
            let mut proof = Vec::new();
            assert!(self.client.poll_transmit(self.now, epoch, &mut proof));
            incoming.handle_input(self.now, BytesMut::from(&proof[..])).expect("because it is honest");
            assert!(incoming.request().is_some());
            match self.registry.admit(self.now, incoming) {
                Admission::New { session, epoch } => {
                    self.server = Some(session);
                    self.links.last_mut().expect("because just pushed").1 = Some(epoch);
                }
                Admission::Resume { .. } | Admission::Reject(_) => panic!("not admitted"),
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for (ours, theirs) in self.links.clone() {
                let Some(theirs) = theirs else { continue };
                let server = self.server.as_mut().expect("because it has an epoch");
                moved |= shuttle(self.now, &mut self.client, ours, server, theirs);
                moved |= shuttle(self.now, server, theirs, &mut self.client, ours);
            }
            if let Some(report) = self.server.as_mut().and_then(Session::poll_report) {
                self.registry.update(self.now, report);
            }
            if !moved {
                return;
            }
        }
    }

    fn cut(&mut self) {
        for (ours, theirs) in core::mem::take(&mut self.links) {
            self.client.detach(self.now, ours, Cause::Network);
            if let (Some(server), Some(theirs)) = (&mut self.server, theirs) {
                server.detach(self.now, theirs, Cause::Network);
            }
        }
    }

    fn server(&mut self) -> &mut Session {
        self.server.as_mut().expect("because dialled")
    }

    fn sleep(&mut self, time: Duration) {
        self.now = self.now + time;
        self.client.handle_timeout(self.now);
        let now = self.now;
        self.server().handle_timeout(now);
    }
}

fn shuttle(now: Instant, from: &mut Session, a: Epoch, to: &mut Session, b: Epoch) -> bool {
    let mut packet = Vec::new();
    let mut moved = false;
    while from.poll_transmit(now, a, &mut packet) {
        to.handle_input(now, b, BytesMut::from(&packet[..])).expect("because both ends are honest");
        packet.clear();
        moved = true;
    }
    moved
}

fn events(session: &mut Session) -> Vec<Event> {
    core::iter::from_fn(|| session.poll_event()).collect()
}

fn payload(session: &mut Session, now: Instant, stream: StreamId) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(Chunk::Data { payload, .. })) = session.recv(now, stream) {
        all.extend_from_slice(&payload);
    }
    all
}

#[test]
fn a_message_crosses_and_a_cut_loses_nothing() {
    let mut pair = Pair::new();
    let now = pair.now;
    let stream = pair.client.open(now, StreamOptions::default()).expect("because there is room");
    pair.client.send(now, stream, Bytes::from_static(b"one ")).expect("because there is room");
    pair.dial();
    assert!(matches!(events(&mut pair.client)[..], [Event::Established { .. }, Event::Attached { swap: Swap::First, .. }]));
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"one ");
    pair.client.send(now, stream, Bytes::from_static(b"two ")).expect("because there is room");
    let mut lost = Vec::new();
    let epoch = pair.links[0].0;
    assert!(pair.client.poll_transmit(now, epoch, &mut lost));
    pair.cut();
    pair.client.send(now, stream, Bytes::from_static(b"three")).expect("because there is room");
    pair.dial();
    assert_eq!(payload(pair.server(), now, stream), b"two three");
    assert_eq!(pair.client.stats().replayed_bytes, 4);
    assert_eq!(pair.client.inspect().redundant, 0);
}

#[test]
fn a_planned_swap_moves_to_the_new_connection() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair.server().open(now, StreamOptions::default()).expect("because there is room");
    pair.server().send(now, stream, Bytes::from_static(b"before")).expect("because there is room");
    pair.settle();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.server().migrate(now, Duration::from_secs(1), Bytes::new());
    pair.settle();
    events(&mut pair.client);
    pair.dial();
    assert!(matches!(events(&mut pair.client)[..], [Event::Attached { swap: Swap::Planned, .. }]));
    assert_eq!(pair.client.inspect().links, [false, true, false], "the old one is done");
    let (old, new) = (pair.links[0].0, pair.links[1].0);
    assert!(!pair.client.is_wanted(old) && pair.client.is_wanted(new));
    pair.server().send(now, stream, Bytes::from_static(b" after")).expect("because there is room");
    pair.settle();
    assert_eq!(pair.client.accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(&mut pair.client, now, stream), b"before after");
}

#[test]
fn close_is_answered_and_both_ends_know_all() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair.client.open(now, StreamOptions::default()).expect("because there is room");
    pair.client.send(now, stream, Bytes::from_static(b"last words")).expect("because there is room");
    pair.client.close(now, 7, Bytes::from_static(b"bye"));
    pair.settle();
    let ended = |events: Vec<Event>| match events.last() {
        Some(Event::Ended(ended)) => ended.clone(),
        other => panic!("{other:?}"),
    };
    let client = ended(events(&mut pair.client));
    let server = ended(events(pair.server()));
    let reason = |by| EndReason::Closed { code: 7, reason: Bytes::from_static(b"bye"), by };
    assert_eq!((client.reason, server.reason), (reason(Closer::Local), reason(Closer::Peer)));
    assert!(client.fates.all_delivered());
    assert_eq!(client.fates.streams[0].delivered.messages, 1);
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"last words");
    assert_eq!(pair.registry.session_count(), 0);
    assert_eq!(pair.registry.tombstone_count(), 1);
}
