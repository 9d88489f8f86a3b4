//! A client comes to a process that does not hold its session, and that may find it in a store.

use super::durable::{Durable, server_config};
use super::*;
use crate::accept::Incoming;
use crate::server::{Placement, Recognition};
use crate::session::{SessionState, StoreFailure};
use crate::wire::handshake::Reject;

/// A session whose client has no connection, and a process beside the one that holds it.
pub(super) struct Fleet {
    pub(super) durable: Durable,
    pub(super) other: Registry,
}

pub(super) fn fleet() -> Fleet {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    durable.pair.cut();
    send(&mut durable.pair.client, now, stream, "two");
    durable.settle();
    let mut other = Registry::new(server_config(), Seed([99; 32]), now).expect("because it is sound");
    other.set_lookup(true);
    Fleet { durable, other }
}

impl Fleet {
    /// Dials the other process.
    pub(super) fn ask(&mut self) -> (Epoch, Route) {
        let pair = &mut self.durable.pair;
        let due = pair.client.wanted_connection().expect("because it is lost").not_before;
        pair.now = pair.now.max(due);
        let now = pair.now;
        let epoch = pair.client.attach(now, Carrier::ordered()).expect("because it is due");
        self.durable.client.keep(&mut pair.client, now);
        let mut packet = Vec::new();
        assert!(pair.client.poll_transmit(now, epoch, &mut packet));
        (epoch, self.route(packet))
    }

    fn route(&mut self, packet: Vec<u8>) -> Route {
        let now = self.durable.pair.now;
        let connection = self.other.connection_accepted(now, Carrier::ordered());
        self.other.first_packet(now, connection, BytesMut::from(&packet[..]))
    }

    pub(super) fn answer(&mut self, epoch: Epoch, packet: Option<Vec<u8>>) {
        let packet = packet.expect("because every refusal here says something");
        let pair = &mut self.durable.pair;
        pair.client
            .handle_input(pair.now, epoch, BytesMut::from(&packet[..]))
            .expect("because it is honest");
        self.durable.client.keep(&mut pair.client, pair.now);
    }

    pub(super) fn recognises(&mut self, incoming: &Incoming) -> Recognition {
        let (now, pieces) = (self.durable.pair.now, self.durable.server.pieces());
        let id = self.durable.pair.client.id().expect("because it is established");
        let recogniser = self.other.recogniser(id).expect("because it is not over");
        let recognised = recogniser.recognises(now, incoming, &pieces, None);
        recognised.expect("because it is whole")
    }

    fn take_over(&mut self) {
        let (now, pieces) = (self.durable.pair.now, self.durable.server.pieces());
        let (session, _) = self.other.restore(now, &pieces, None).expect("because it is whole");
        self.durable.pair.server = Some(session);
    }

    /// Dials until the client begins a handshake, which names its session, and sees that through up to the other's decision.
    pub(super) fn prove(&mut self) -> (Epoch, Incoming) {
        let (epoch, mut incoming) = loop {
            match self.ask() {
                (epoch, Route::Handshake(incoming)) => break (epoch, incoming),
                // Anybody can refuse a RESUME: it says nothing of the session.
                (epoch, Route::Lookup { incoming, .. }) => {
                    let now = self.durable.pair.now;
                    let refused = self.other.absent(now, incoming, &Placement::default());
                    let Admission::Reject(rejection) = refused else {
                        panic!("not refused");
                    };
                    self.answer(epoch, rejection.packet);
                }
                (_, route) => panic!("not looked up: {route:?}"),
            }
        };
        let mut packet = Vec::new();
        incoming.poll_transmit(&mut packet);
        self.answer(epoch, Some(packet));
        let pair = &mut self.durable.pair;
        let mut packet = Vec::new();
        assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
        incoming
            .handle_input(pair.now, BytesMut::from(&packet[..]))
            .expect("because it is honest");
        (epoch, incoming)
    }

    /// A proven client whose session is nowhere gets a new one, and what is said of the old.
    pub(super) fn answer_absent(&mut self, epoch: Epoch, incoming: Incoming) {
        let now = self.durable.pair.now;
        let Admission::Lookup { incoming, .. } = self.other.admit(now, incoming) else {
            panic!("not looked up");
        };
        let absent = self.other.absent(now, incoming, &Placement::default());
        let Admission::New {
            mut session,
            epoch: theirs,
        } = absent
        else {
            panic!("not admitted");
        };
        let record = session.poll_record().expect("because it is durable");
        session.handle_persisted(now, record.number);
        let mut packet = Vec::new();
        assert!(session.poll_transmit(now, theirs, &mut packet));
        self.answer(epoch, Some(packet));
    }

    /// The session goes on at the other process.
    fn goes_on(&mut self, epoch: Epoch, incoming: Incoming) {
        let now = self.durable.pair.now;
        let theirs = self.durable.pair.server().adopt(now, incoming);
        let theirs = theirs.expect("because it is its client");
        self.durable.pair.links.push((epoch, Some(theirs)));
        self.durable.settle();
        let server = self.durable.pair.server();
        let stream = server.accept(now).expect("because it was there").id;
        let mut all = Vec::new();
        while let Ok(Some(Chunk::Data { payload, .. })) = server.stream(stream).recv(now) {
            all.push(payload.to_vec());
        }
        assert_eq!(all, [b"one", b"two"]);
        assert_eq!(self.durable.pair.client.state(), SessionState::Attached);
    }
}

// PROTOCOL R17.10
#[test]
fn a_resume_of_a_session_that_is_kept_elsewhere_takes_it_over() {
    let mut fleet = fleet();
    let (epoch, route) = fleet.ask();
    let id = fleet.durable.pair.client.id().expect("because it is established");
    let Route::Lookup { session, incoming } = route else {
        panic!("not looked up: {route:?}");
    };
    assert_eq!(session, id);
    assert_eq!(fleet.recognises(&incoming), Recognition::Client);
    fleet.take_over();
    fleet.goes_on(epoch, incoming);
}

/// The clients of a node that died come to another one all at once.
// PROTOCOL R2.8
#[test]
fn what_is_looked_up_counts_towards_the_rate_of_resumes() {
    let limited = || {
        let mut fleet = fleet();
        let mut config = server_config();
        config.resume_rate = 30;
        fleet.other = Registry::new(config, Seed([98; 32]), fleet.durable.pair.now).expect("because it is sound");
        fleet.other.set_lookup(true);
        fleet
    };
    let mut fleet = limited();
    let (_, Route::Lookup { incoming, .. }) = fleet.ask() else {
        panic!("not looked up");
    };
    assert_eq!(fleet.recognises(&incoming), Recognition::Client);
    let now = fleet.durable.pair.now;
    let charged: Vec<_> = (0..5)
        .map(|_| {
            fleet
                .other
                .charge_lookup(now, &incoming)
                .map_err(|rejection| rejection.packet)
        })
        .collect();
    assert!(charged[..3].iter().all(Result::is_ok), "{charged:?}");
    for late in &charged[3..] {
        let packet = late.as_ref().expect_err("because three may come at once");
        let reject = packet.as_deref().and_then(|packet| Reject::decode(packet).ok());
        assert!(matches!(reject, Some(Reject::Retry { .. })), "{late:?}");
    }
    assert_eq!(fleet.other.snapshot().refused.resume_rate, 2);
    // A proven client came with a HELLO, which has a rate of its own.
    let mut proven = limited();
    let (_, incoming) = proven.prove();
    let now = proven.durable.pair.now;
    assert!((0..5).all(|_| proven.other.charge_lookup(now, &incoming).is_ok()));
}

/// Whoever knows the id of a session, which is no secret, does not move it.
#[test]
fn only_the_client_of_a_session_is_recognised() {
    let mut fleet = fleet();
    let pair = &mut fleet.durable.pair;
    let due = pair.client.wanted_connection().expect("because it is lost").not_before;
    pair.now = pair.now.max(due);
    let epoch = pair
        .client
        .attach(pair.now, Carrier::ordered())
        .expect("because it is due");
    fleet.durable.client.keep(&mut pair.client, pair.now);
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
    *packet.last_mut().expect("because it is a packet") ^= 1;
    let Route::Lookup { incoming, .. } = fleet.route(packet) else {
        panic!("not looked up");
    };
    assert_eq!(fleet.recognises(&incoming), Recognition::Other);
    let now = fleet.durable.pair.now;
    let rejection = fleet.other.unrecognised(now, incoming);
    assert_eq!(rejection.packet, Some(Reject::Refused.encode()));
}

#[test]
fn a_proven_client_whose_session_is_kept_elsewhere_goes_on_with_it() {
    let mut fleet = fleet();
    let (epoch, incoming) = fleet.prove();
    let now = fleet.durable.pair.now;
    let Admission::Lookup { incoming, .. } = fleet.other.admit(now, incoming) else {
        panic!("not looked up");
    };
    assert_eq!(fleet.recognises(&incoming), Recognition::Client);
    fleet.take_over();
    let Admission::Resume { incoming, .. } = fleet.other.admit(now, incoming) else {
        panic!("it is held");
    };
    fleet.goes_on(epoch, incoming);
}

/// Found by random schedules: a copy that was left behind told the client of the session that it was superseded.
// PROTOCOL R17.10
#[test]
fn a_proven_client_is_looked_up_where_a_copy_is_held_that_does_not_know_it() {
    let mut fleet = fleet();
    let (now, pieces) = (fleet.durable.pair.now, fleet.durable.server.pieces());
    let _copy = fleet.other.restore(now, &pieces, None).expect("because it is whole");
    // The owner goes on with it, and the client has another secret.
    fleet.durable.dial();
    fleet.durable.pair.cut();
    let (epoch, incoming) = fleet.prove();
    let now = fleet.durable.pair.now;
    let Admission::Lookup { session, incoming } = fleet.other.admit(now, incoming) else {
        panic!("not looked up");
    };
    assert_eq!(Some(session), fleet.durable.pair.client.id());
    assert_eq!(fleet.recognises(&incoming), Recognition::Client);
    // Under a counter that is used up nobody proves anything.
    let used = fleet
        .durable
        .pair
        .server()
        .counter()
        .expect("because it is established");
    fleet.durable.pair.client.detach(now, epoch, Cause::Network);
    let ticket = fleet.durable.pair.client.identity.ticket.as_mut();
    ticket.expect("because it is established").counter = used - 1;
    let (_, incoming) = fleet.prove();
    let now = fleet.durable.pair.now;
    let Admission::Lookup { incoming, .. } = fleet.other.admit(now, incoming) else {
        panic!("not looked up");
    };
    assert_ne!(fleet.recognises(&incoming), Recognition::Client);
}

/// While the store cannot be asked, the client is told to come later, and nothing else.
// PROTOCOL R17.10
#[test]
fn what_cannot_be_looked_up_may_be_there_later() {
    let mut fleet = fleet();
    let (epoch, route) = fleet.ask();
    let Route::Lookup { incoming, .. } = route else {
        panic!("not looked up: {route:?}");
    };
    let now = fleet.durable.pair.now;
    let rejection = fleet.other.later(now, incoming);
    fleet.answer(epoch, rejection.packet);
    let (epoch, incoming) = fleet.prove();
    let now = fleet.durable.pair.now;
    let Admission::Lookup { incoming, .. } = fleet.other.admit(now, incoming) else {
        panic!("not looked up");
    };
    let rejection = fleet.other.later(now, incoming);
    fleet.answer(epoch, rejection.packet);
    let client = &fleet.durable.pair.client;
    assert_eq!(
        (client.end_reason(), client.wanted_connection().is_some()),
        (None, true)
    );
}

/// A session that left this process is looked up like any other; once it is nowhere, nothing follows from that.
// PROTOCOL R17.10
#[test]
fn a_session_that_went_on_elsewhere_comes_back_or_is_unknown() {
    for comes_back in [true, false] {
        let mut fleet = fleet();
        fleet.take_over();
        let now = fleet.durable.pair.now;
        let server = fleet.durable.pair.server();
        server.handle_store_failed(now, StoreFailure::Released);
        let report = server.poll_report().expect("because it is over here");
        fleet.other.update(now, report);
        let (epoch, route) = fleet.ask();
        let Route::Lookup { incoming, .. } = route else {
            panic!("not looked up: {route:?}");
        };
        if comes_back {
            assert_eq!(fleet.recognises(&incoming), Recognition::Client);
            fleet.take_over();
            fleet.goes_on(epoch, incoming);
            continue;
        }
        let rejection = fleet.other.later(now, incoming);
        fleet.answer(epoch, rejection.packet);
        let (epoch, incoming) = fleet.prove();
        fleet.answer_absent(epoch, incoming);
        assert_eq!(fleet.durable.pair.client.end_reason(), Some(&EndReason::Unknown));
    }
}

/// A RESUME that was seen before opens as long as the secret that came with it is not kept, and proves nothing.
#[test]
fn a_resume_that_was_seen_before_is_not_recognised() {
    let mut fleet = fleet();
    let (epoch, route) = fleet.ask();
    let Route::Lookup { incoming, .. } = route else {
        panic!("not looked up: {route:?}");
    };
    let crate::accept::IncomingKind::Resume { packet, .. } = &incoming.kind else {
        panic!("a RESUME");
    };
    let seen = packet.to_vec();
    fleet.take_over();
    let now = fleet.durable.pair.now;
    let adopted = fleet.durable.pair.server().adopt(now, incoming);
    adopted.expect("because it is its client");
    // The answer's secret is kept, and that it is confirmed is not.
    fleet.durable.server.keep(fleet.durable.pair.server(), now);
    let _ = epoch;
    fleet.other = Registry::new(server_config(), Seed([98; 32]), now).expect("because it is sound");
    fleet.other.set_lookup(true);
    let Route::Lookup { incoming, .. } = fleet.route(seen) else {
        panic!("not looked up");
    };
    assert_eq!(fleet.recognises(&incoming), Recognition::Other);
}

/// One that was never confirmed here may have been confirmed where it went: that it is nowhere now proves nothing, though this process
/// remembers all that ended here.
#[test]
fn a_session_that_left_before_it_was_confirmed_is_not_one_that_never_was() {
    for left in [true, false] {
        let mut durable = Durable::new();
        let now = durable.pair.now;
        queue(&mut durable.pair.client, now, "early".into());
        let (ours, _) = durable.connect();
        durable.pair.confirm_lost = true;
        durable.settle();
        let mut lost = Vec::new();
        while durable.pair.client.poll_transmit(now, ours, &mut lost)
            || durable.client.keep(&mut durable.pair.client, now)
        {
            lost.clear();
        }
        durable.pair.cut();
        durable.settle();
        let server = durable.pair.server();
        match left {
            true => server.handle_store_failed(now, StoreFailure::Released),
            false => server.abort(now),
        }
        durable.settle();
        durable.pair.settle_registry();
        let fresh = Registry::new(server_config(), Seed([98; 32]), now).expect("because it is sound");
        let other = core::mem::replace(&mut durable.pair.registry, fresh);
        let mut fleet = Fleet { durable, other };
        fleet.other.set_lookup(true);
        let (epoch, incoming) = fleet.prove();
        fleet.answer_absent(epoch, incoming);
        let is_unknown = fleet.durable.pair.client.end_reason() == Some(&EndReason::Unknown);
        assert_eq!(is_unknown, left, "else it begins again");
    }
}

/// A process stood still while another one took its session over, ended its own copy, and then heard from the store that it had none.
#[test]
fn an_end_that_was_not_this_process_s_to_say_is_taken_back() {
    for heard in [false, true] {
        let mut fleet = fleet();
        fleet.take_over();
        let now = fleet.durable.pair.now;
        fleet.durable.server.keep(fleet.durable.pair.server(), now);
        let server = fleet.durable.pair.server();
        server.abort(now);
        fleet.durable.server.keep(fleet.durable.pair.server(), now);
        let server = fleet.durable.pair.server();
        let over = server.poll_report().expect("because it is over");
        fleet.other.update(now, over);
        if heard {
            server.handle_store_failed(now, StoreFailure::Superseded);
            let elsewhere = server.poll_report().expect("because that is news");
            fleet.other.update(now, elsewhere);
        }
        let (_, incoming) = fleet.prove();
        let is_looked_up = matches!(fleet.other.admit(now, incoming), Admission::Lookup { .. });
        assert_eq!(is_looked_up, heard, "else it is told that it expired");
    }
}
