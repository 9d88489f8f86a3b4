//! What a client concludes from a server that does not know its session.

use super::*;
use crate::error::ConnectionError;
use crate::server::Route;
use crate::wire::frame::{Final, Frame, Parameters};

/// Time passes, and the registry is asked as often as it wants.
fn pass(p: &mut Pair, seconds: u64) {
    let until = p.now + Duration::from_secs(seconds);
    while let Some(due) = p.registry.poll_timeout().filter(|due| *due < until) {
        p.registry.handle_timeout(due);
    }
    p.now = until;
    p.registry.handle_timeout(until);
}

/// A session whose client sent a message that arrived, and heard nothing of it.
fn arrived_unheard() -> Pair {
    let mut p = Pair::new();
    p.dial();
    let stream = p.client.open(p.now, StreamOptions::default()).expect("because it may");
    p.client
        .stream(stream)
        .send(p.now, Bytes::from_static(b"once"))
        .expect("because there is room");
    let (ours, theirs) = p.links[0];
    let mut packet = Vec::new();
    while p.client.poll_transmit(p.now, ours, &mut packet) {
        let (now, theirs) = (p.now, theirs.expect("because it is up"));
        p.server()
            .handle_input(now, theirs, BytesMut::from(&packet[..]))
            .expect("because it is honest");
        packet.clear();
    }
    p
}

/// What the server that the session was made by says in FINAL.
fn of_its_server(p: &Pair) -> Final {
    let ticket = p.client.identity.ticket.as_ref();
    Final {
        parameters: SessionConfig::default().parameters(),
        incarnation: ticket.expect("because it is established").incarnation,
        verdict: None,
    }
}

/// The client asks until it knows what became of its session.
fn ask(p: &mut Pair) {
    while p.client.wanted_connection().is_some() {
        p.redial();
        if p.client.state() == SessionState::Attached {
            return;
        }
    }
}

// PROTOCOL R11.6
#[test]
fn an_owner_that_dies_before_its_answer_is_read_leaves_nothing_to_conclude() -> Result<(), ConnectionError> {
    let mut p = arrived_unheard();
    let id = p.client.id().expect("because it is established");
    let (ours, theirs) = p.links.pop().expect("because it is up");
    let now = p.now;
    p.client.detach(now, ours, Cause::Network);
    p.server()
        .detach(now, theirs.expect("because it is up"), Cause::Network);
    // It resumes; the owner dies behind its answer, which comes much later.
    p.now = p.client.wanted_connection().expect("because it is lost").not_before;
    let epoch = p
        .client
        .attach(p.now, Carrier::ordered())
        .expect("because it is wanted");
    let mut packet = Vec::new();
    assert!(p.client.poll_transmit(p.now, epoch, &mut packet));
    let connection = p.registry.connection_accepted(p.now, Carrier::ordered());
    let Route::Resume { incoming, .. } = p.registry.first_packet(p.now, connection, BytesMut::from(&packet[..])) else {
        panic!("it is held");
    };
    let now = p.now;
    let theirs = p.server().adopt(now, incoming).expect("because the proof is good");
    packet.clear();
    assert!(p.server().poll_transmit(now, theirs, &mut packet));
    p.registry.lost(now, id);
    pass(&mut p, 20);
    p.client.handle_input(p.now, epoch, BytesMut::from(&packet[..]))?;
    assert_eq!(p.client.state(), SessionState::Attached);
    p.client.detach(p.now, epoch, Cause::Network);
    pass(&mut p, 20);
    // The registry remembers everything since before this attach, and nothing of before the death.
    ask(&mut p);
    let ended = events(&mut p.client).into_iter().find_map(|event| match event {
        Event::Ended(ended) => Some(ended),
        _ => None,
    });
    assert_eq!(ended.map(|ended| ended.reason), Some(EndReason::Unknown));
    Ok(())
}

/// An owner that is asked between its session's end and its report knows of no copy: it says what the registry will say.
#[test]
fn an_owner_whose_session_is_over_says_nothing_of_a_copy() {
    let mut p = arrived_unheard();
    p.cut();
    let now = p.now;
    p.server().abort(now);
    ask(&mut p);
    let ended = events(&mut p.client).into_iter().find_map(|event| match event {
        Event::Ended(ended) => Some(ended),
        _ => None,
    });
    let ended = ended.expect("because it is over");
    assert_eq!(ended.reason, EndReason::Expired);
    assert!(ended.fates.all_delivered(), "{:?}", ended.fates);
}

/// On a bad line a session may be resumed again and again, and never be confirmed. It would be lost if that spoke against it.
#[test]
fn a_session_that_was_resumed_and_never_confirmed_begins_again() {
    let mut p = Pair::new();
    p.confirm_lost = true;
    p.dial();
    let first = p.client.id().expect("because FINAL was read");
    let stream = p.client.open(p.now, StreamOptions::default()).expect("because it may");
    p.client
        .stream(stream)
        .send(p.now, Bytes::from_static(b"once"))
        .expect("because there is room");
    for _ in 0..2 {
        let (ours, _) = p.links[0];
        let mut lost = Vec::new();
        while p.client.poll_transmit(p.now, ours, &mut lost) {}
        p.cut();
        p.now = p.client.wanted_connection().expect("because it is lost").not_before;
        p.dial();
    }
    p.cut();
    // The owner waits no longer for a confirmation.
    p.sleep(SessionConfig::default().handshake_timeout);
    p.settle_registry();
    assert_eq!(p.registry.session_count(), 0);
    ask(&mut p);
    assert_eq!(p.client.state(), SessionState::Attached);
    assert_ne!(p.client.id(), Some(first));
    assert!(p.client.stats().outbox_bytes > 0, "what it had to say is still there");
}

/// Whatever a registry says of its memory.
#[test]
fn who_has_an_acknowledgement_knows_that_something_arrived() {
    let mut p = arrived_unheard();
    let answer = of_its_server(&p);
    assert!(
        p.client.never_arrived(p.now, &answer, u64::MAX),
        "as far as it can know"
    );
    p.sleep(Duration::from_secs(1));
    p.settle();
    assert!(p.client.ledger.acked() > 0 && p.client.ledger.expected() == 0);
    assert!(!p.client.never_arrived(p.now, &answer, u64::MAX));
}

// PROTOCOL R11.6
#[test]
fn only_a_memory_that_covers_the_birth_of_a_session_proves_that_it_was_never_confirmed() {
    let mut p = Pair::new();
    let began = p.now;
    p.dial();
    let ticket = p.client.identity.ticket.as_ref().expect("because it is established");
    let incarnation = ticket.incarnation;
    let answer = |incarnation| Final {
        parameters: SessionConfig::default().parameters(),
        incarnation,
        verdict: None,
    };
    let later = began + Duration::from_secs(9);
    let proves = |p: &Pair, reach, incarnation| {
        p.client
            .identity
            .was_never_confirmed(later, &answer(incarnation), reach)
    };
    assert!(proves(&p, 9_000, incarnation));
    assert!(!proves(&p, 8_999, incarnation), "the reach begins behind its HELLO");
    assert!(!proves(&p, 9_000, [0; 8]), "another server");
    p.cut();
    p.now = p.client.wanted_connection().expect("because it is lost").not_before;
    p.dial();
    assert!(
        proves(&p, 9_000, incarnation),
        "an owner answers before the session is confirmed, too"
    );
}

/// What waits for its turn would be delivered within the new session, where its position comes up again. Found by the
/// simulated host: the old connection of a planned swap swallowed the beginning, and then the server was started anew.
// PROTOCOL R11.6
#[test]
fn who_holds_something_ahead_of_its_turn_does_not_begin_again() {
    let mut p = Pair::new();
    p.dial();
    p.settle();
    let answer = of_its_server(&p);
    assert!(p.client.never_arrived(p.now, &answer, u64::MAX), "it sent nothing");
    let reset = Frame::Reset {
        stream: StreamId(2),
        code: 0,
    };
    let taken = p.client.ledger.arrive(7, reset, true);
    assert!(taken.is_ok() && p.client.ledger.expected() == 0);
    assert!(!p.client.never_arrived(p.now, &answer, u64::MAX));
}

/// A server that never heard of the session proves nothing about the one that had it.
// PROTOCOL R11.6
#[test]
fn who_sent_something_does_not_begin_again_at_another_server() {
    let p = arrived_unheard();
    let answer = Final {
        incarnation: [0; 8],
        ..of_its_server(&p)
    };
    assert!(p.client.ledger.next() > 0 && p.client.ledger.received_nothing());
    assert!(!p.client.never_arrived(p.now, &answer, u64::MAX));
}

/// A frame keeps its position and so its length; where that is more than a packet has room for, it goes in parts.
#[test]
fn what_is_longer_than_a_new_servers_packets_begins_again_there_in_parts() {
    let mut p = Pair::new();
    p.dial();
    let now = p.now;
    queue(&mut p.client, now, Bytes::from(alloc::vec![7; 10_000]));
    let (ours, _) = p.links[0];
    while p.client.poll_transmit(now, ours, &mut Vec::new()) {}
    assert!(p.client.fits(&Parameters {
        packet_limit: 1_200,
        ..SessionConfig::default().parameters()
    }));
}
