//! The machine's own smoke tests; everything beyond stands in the `unbroken-tests` crate.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::config::ServerConfig;
use crate::event::{Closer, EndReason, Event, Swap};
use crate::id::StreamId;
use crate::security::{Auth, ServerAuth, SharedSecret};
use crate::server::{Admission, Registry, Route};
use crate::stream::{Chunk, StreamOptions};

mod review;

struct Pair {
    now: Instant,
    registry: Registry,
    client: Session,
    server: Option<Session>,
    /// The connections: the client's epoch and, once it has one, the server's.
    links: Vec<(Epoch, Option<Epoch>)>,
    /// What the client says behind FINAL never arrives.
    confirm_lost: bool,
}

impl Pair {
    fn new() -> Pair {
        Pair::with(|_, _| {})
    }

    fn with(adjust: impl FnOnce(&mut SessionConfig, &mut SessionConfig)) -> Pair {
        Pair::tuned(adjust, |_| {})
    }

    fn tuned(
        adjust: impl FnOnce(&mut SessionConfig, &mut SessionConfig),
        dialling: impl FnOnce(&mut ClientConfig),
    ) -> Pair {
        let secret = SharedSecret::from_key(b"test", [7; 32]).expect("because the hint is short");
        let mut server = ServerConfig::new(ServerAuth::secrets(alloc::vec![secret.clone()]));
        let mut client = ClientConfig::new(Auth::secret(secret));
        adjust(&mut client.session, &mut server.session);
        dialling(&mut client);
        let now = Instant::from_millis(1_000);
        let registry = Registry::new(server, Seed([1; 32]), now).expect("because the limits are valid");
        let client = Session::connect(client, Seed([2; 32]), now).expect("because the limits are valid");
        Pair {
            now,
            registry,
            client,
            server: None,
            links: Vec::new(),
            confirm_lost: false,
        }
    }

    /// Answers the client's wish and carries packets until nobody has any.
    fn dial(&mut self) {
        let epoch = self
            .client
            .attach(self.now, Carrier::ordered())
            .expect("because a connection is wanted");
        self.links.push((epoch, None));
        let mut incoming = None;
        let connection = self.registry.connection_accepted(self.now, Carrier::ordered());
        let mut hello = Vec::new();
        assert!(self.client.poll_transmit(self.now, epoch, &mut hello));
        match self
            .registry
            .first_packet(self.now, connection, BytesMut::from(&hello[..]))
        {
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
            self.client
                .handle_input(self.now, epoch, BytesMut::from(&challenge[..]))
                .expect("because it is honest");
            let mut proof = Vec::new();
            assert!(self.client.poll_transmit(self.now, epoch, &mut proof));
            incoming
                .handle_input(self.now, BytesMut::from(&proof[..]))
                .expect("because it is honest");
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
                if !self.confirm_lost {
                    moved |= shuttle(self.now, &mut self.client, ours, server, theirs);
                }
                moved |= shuttle(self.now, server, theirs, &mut self.client, ours);
            }
            self.settle_registry();
            if !moved {
                return;
            }
        }
    }

    fn settle_registry(&mut self) {
        if let Some(report) = self.server.as_mut().and_then(Session::poll_report) {
            self.registry.update(self.now, report);
        }
    }

    /// Dials a registry that no longer holds the session, whatever comes of it.
    fn redial(&mut self) {
        let Some(intent) = self.client.wanted_connection() else {
            return;
        };
        self.now = self.now.max(intent.not_before);
        let epoch = self
            .client
            .attach(self.now, Carrier::ordered())
            .expect("because a connection is wanted");
        let connection = self.registry.connection_accepted(self.now, Carrier::ordered());
        let mut packet = Vec::new();
        assert!(self.client.poll_transmit(self.now, epoch, &mut packet));
        let answer = match self
            .registry
            .first_packet(self.now, connection, BytesMut::from(&packet[..]))
        {
            Route::Reject(rejection) => rejection.packet,
            Route::Resume { .. } => panic!("the session is over"),
            Route::Handshake(mut incoming) => {
                packet.clear();
                incoming.poll_transmit(&mut packet);
                self.client
                    .handle_input(self.now, epoch, BytesMut::from(&packet[..]))
                    .expect("because it is honest");
                packet.clear();
                assert!(self.client.poll_transmit(self.now, epoch, &mut packet));
                incoming
                    .handle_input(self.now, BytesMut::from(&packet[..]))
                    .expect("because it is honest");
                match self.registry.admit(self.now, incoming) {
                    Admission::New { mut session, epoch } => {
                        packet.clear();
                        session.poll_transmit(self.now, epoch, &mut packet);
                        Some(packet)
                    }
                    Admission::Resume { .. } | Admission::Reject(_) => panic!("not admitted"),
                }
            }
        };
        let answer = answer.expect("because every refusal here says something");
        self.client
            .handle_input(self.now, epoch, BytesMut::from(&answer[..]))
            .expect("because it is honest");
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
        to.handle_input(now, b, BytesMut::from(&packet[..]))
            .expect("because both ends are honest");
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
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .send(now, stream, Bytes::from_static(b"one "))
        .expect("because there is room");
    pair.dial();
    assert!(matches!(
        events(&mut pair.client)[..],
        [Event::Established { .. }, Event::Attached { swap: Swap::First, .. }]
    ));
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"one ");
    pair.client
        .send(now, stream, Bytes::from_static(b"two "))
        .expect("because there is room");
    let mut lost = Vec::new();
    let epoch = pair.links[0].0;
    assert!(pair.client.poll_transmit(now, epoch, &mut lost));
    pair.cut();
    pair.client
        .send(now, stream, Bytes::from_static(b"three"))
        .expect("because there is room");
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
    let stream = pair
        .server()
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.server()
        .send(now, stream, Bytes::from_static(b"before"))
        .expect("because there is room");
    pair.settle();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.server().migrate(now, Duration::from_secs(1), Bytes::new());
    pair.settle();
    events(&mut pair.client);
    pair.dial();
    assert!(matches!(
        events(&mut pair.client)[..],
        [Event::Attached {
            swap: Swap::Planned,
            ..
        }]
    ));
    assert_eq!(pair.client.inspect().links, [false, true, false], "the old one is done");
    let (old, new) = (pair.links[0].0, pair.links[1].0);
    assert!(!pair.client.is_wanted(old) && pair.client.is_wanted(new));
    pair.server()
        .send(now, stream, Bytes::from_static(b" after"))
        .expect("because there is room");
    pair.settle();
    assert_eq!(pair.client.accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(&mut pair.client, now, stream), b"before after");
}

#[test]
fn close_is_answered_and_both_ends_know_all() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .send(now, stream, Bytes::from_static(b"last words"))
        .expect("because there is room");
    pair.client.close(now, 7, Bytes::from_static(b"bye"));
    pair.settle();
    let ended = |events: Vec<Event>| match events.last() {
        Some(Event::Ended(ended)) => ended.clone(),
        other => panic!("{other:?}"),
    };
    let client = ended(events(&mut pair.client));
    let server = ended(events(pair.server()));
    let reason = |by| EndReason::Closed {
        code: 7,
        reason: Bytes::from_static(b"bye"),
        by,
    };
    assert_eq!(
        (client.reason, server.reason),
        (reason(Closer::Local), reason(Closer::Peer))
    );
    assert!(client.fates.all_delivered());
    assert_eq!(client.fates.streams[0].delivered.messages, 1);
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"last words");
    assert_eq!(pair.registry.session_count(), 0);
    assert_eq!(pair.registry.tombstone_count(), 1);
}

#[test]
fn a_close_whose_end_was_lost_is_still_known_to_be_complete() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    pair.server().close(now, 3, Bytes::new());
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    // CLOSE and CLOSED cross; the server's END does not.
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, server, theirs, &mut pair.client, ours);
    shuttle(now, &mut pair.client, ours, server, theirs);
    assert_eq!(server.state(), SessionState::Ended);
    pair.settle_registry();
    pair.client.detach(now, ours, Cause::Network);
    // Two refusals in the clear, then the question inside a full handshake.
    for _ in 0..3 {
        pair.redial();
    }
    let last = events(&mut pair.client).pop();
    let reason = EndReason::Closed {
        code: 3,
        reason: Bytes::new(),
        by: Closer::Peer,
    };
    assert!(
        matches!(&last, Some(Event::Ended(ended)) if ended.reason == reason),
        "{last:?}"
    );
}

#[test]
fn data_on_streams_that_wait_for_a_slot_leaves_room_for_those_that_have_one() {
    let mut pair = Pair::with(|client, server| {
        client.outbox_limit = 4_096;
        server.max_streams = 1;
    });
    let now = pair.now;
    let streams = [(); 3].map(|()| {
        pair.client
            .open(now, StreamOptions::default())
            .expect("because few are open")
    });
    for stream in [streams[1], streams[2]] {
        while pair.client.send(now, stream, Bytes::from_static(&[0; 500])).is_ok() {}
    }
    pair.dial();
    pair.client
        .send(now, streams[0], Bytes::from_static(&[1; 500]))
        .expect("because half is kept for it");
    let small = pair.client.send(now, streams[1], Bytes::from_static(&[2; 500]));
    assert!(small.is_err(), "the others have had their share");
}

#[test]
fn a_session_whose_confirmation_was_lost_is_resumed_all_the_same() {
    let mut pair = Pair::new();
    pair.confirm_lost = true;
    pair.dial();
    let now = pair.now;
    assert!(matches!(pair.client.state(), SessionState::Attached));
    assert!(
        matches!(pair.server().state(), SessionState::Connecting),
        "hidden until confirmed"
    );
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .send(now, stream, Bytes::from_static(b"kept"))
        .expect("because there is room");
    pair.cut();
    pair.confirm_lost = false;
    pair.dial();
    assert!(matches!(
        events(pair.server())[..],
        [Event::Established { .. }, Event::Attached { .. }, ..]
    ));
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"kept");
}

#[test]
fn a_session_never_confirmed_ends_with_the_handshake_timeout() {
    let mut pair = Pair::new();
    pair.confirm_lost = true;
    pair.dial();
    pair.cut();
    pair.sleep(Duration::from_secs(10));
    assert!(matches!(pair.server().state(), SessionState::Ended));
    pair.settle_registry();
    assert_eq!((pair.registry.session_count(), pair.registry.tombstone_count()), (0, 0));
}

mod orders;
