//! What the registry knows of the secrets under which a session may be resumed: never less than the client has.

use super::swaps::swap_with_a_gap;
use super::*;
use crate::accept::{Incoming, Rejection};
use crate::security::testing::{BadResume, resume_packet};

/// The client's next RESUME, and where the registry sends it. Nothing was reported to that since the session began.
fn knock(pair: &mut Pair) -> (Epoch, Route) {
    let due = pair.client.wanted_connection().expect("because it is lost").not_before;
    pair.now = pair.now.max(due);
    let epoch = pair
        .client
        .attach(pair.now, Carrier::ordered())
        .expect("because it is due");
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
    (epoch, offer(pair, &packet))
}

fn offer(pair: &mut Pair, packet: &[u8]) -> Route {
    let connection = pair.registry.connection_accepted(pair.now, Carrier::ordered());
    pair.registry.first_packet(pair.now, connection, BytesMut::from(packet))
}

/// The session adopts it, and the client reads the answer if that is not lost.
fn adopt(pair: &mut Pair, (epoch, route): (Epoch, Route), is_read: bool) -> Epoch {
    let Route::Resume { incoming, .. } = route else {
        panic!("its own RESUME was turned away");
    };
    let now = pair.now;
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    let mut answer = Vec::new();
    assert!(pair.server().poll_transmit(now, theirs, &mut answer));
    if is_read {
        pair.client
            .handle_input(now, epoch, BytesMut::from(&answer[..]))
            .expect("because it is honest");
    }
    theirs
}

/// Kills `resume_secrets_behind`.
#[test]
fn whatever_is_lost_of_a_resume_the_next_one_is_not_turned_away() {
    // Each digit says what is lost of one attempt: nothing, the confirmation, the answer.
    for fates in 0..81u32 {
        let mut pair = Pair::new();
        pair.dial();
        pair.cut();
        for attempt in 0..4 {
            let fate = fates / 3u32.pow(attempt) % 3;
            let knocked = knock(&mut pair);
            let ours = knocked.0;
            let theirs = adopt(&mut pair, knocked, fate < 2);
            if fate == 0 {
                let now = pair.now;
                let server = pair.server.as_mut().expect("because dialled");
                shuttle(now, &mut pair.client, ours, server, theirs);
            }
            pair.client.detach(pair.now, ours, Cause::Network);
            let now = pair.now;
            pair.server().detach(now, theirs, Cause::Network);
            // Long enough for the server to bear with the next attempt.
            pair.now = now + Duration::from_secs(2);
        }
    }
}

/// Kills `old_secret_still_routed`.
#[test]
fn a_secret_that_was_replaced_leads_nowhere() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    pair.now = pair.client.wanted_connection().expect("because it is lost").not_before;
    let ticket = pair.client.identity.ticket.as_ref().expect("because it is established");
    let (first, id) = (ticket.secret.clone(), ticket.id);
    let under = |pair: &mut Pair, secret| {
        let packet = resume_packet(secret, id, 99, BadResume::Claim(2));
        matches!(offer(pair, &packet), Route::Resume { .. })
    };
    let knocked = knock(&mut pair);
    let ours = knocked.0;
    let theirs = adopt(&mut pair, knocked, true);
    let second = pair.client.identity.ticket.as_ref().expect("because it is established");
    let second = second.secret.clone();
    assert!(
        under(&mut pair, &first) && under(&mut pair, &second),
        "either may be the client's"
    );
    let now = pair.now;
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, &mut pair.client, ours, server, theirs);
    assert!(!under(&mut pair, &first) && under(&mut pair, &second));
    pair.server().abort(now);
    assert!(!under(&mut pair, &second), "it is over");
}

/// The client asks in a full handshake: its connection, what leads to the registry's decision, and AUTH_PROOF on its way.
fn ask(pair: &mut Pair) -> (Epoch, Incoming, Vec<u8>) {
    let (epoch, route) = knock(pair);
    let Route::Handshake(mut incoming) = route else {
        panic!("it asks in a handshake");
    };
    let mut packet = Vec::new();
    incoming.poll_transmit(&mut packet);
    let heard = pair.client.handle_input(pair.now, epoch, BytesMut::from(&packet[..]));
    heard.expect("because it is honest");
    packet.clear();
    assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
    (epoch, incoming, packet)
}

/// AUTH_PROOF arrives.
fn prove(pair: &mut Pair, mut incoming: Incoming, proof: &[u8]) -> Result<Epoch, Rejection> {
    let taken = incoming.handle_input(pair.now, BytesMut::from(proof));
    taken.expect("because it is honest");
    let Admission::Resume { incoming, .. } = pair.registry.admit(pair.now, incoming) else {
        panic!("its owner answers");
    };
    let now = pair.now;
    pair.server().adopt(now, incoming)
}

/// A proof that came after a later one took the candidate's place, and the client, which had read the later one's answer, was
/// locked out for good: nobody knew its secret any more.
// PROTOCOL R3.20
#[test]
fn a_proof_that_comes_late_takes_no_place() {
    // Also a client that asks twice under one counter, which ours does not, is heard once.
    for again in [false, true] {
        let mut pair = Pair::new();
        pair.dial();
        let stream = opened(&mut pair);
        pair.cut();
        (0..2).for_each(|_| pair.client.reconnecting.on_refused(true));
        let (first, early, late) = ask(&mut pair);
        pair.client.detach(pair.now, first, Cause::Network);
        if again {
            pair.client
                .identity
                .ticket
                .as_mut()
                .expect("because it is established")
                .counter -= 1;
        }
        let (ours, incoming, proof) = ask(&mut pair);
        let theirs = prove(&mut pair, incoming, &proof).expect("because the proof is good");
        let now = pair.now;
        let mut answer = Vec::new();
        assert!(pair.server().poll_transmit(now, theirs, &mut answer));
        let read = pair.client.handle_input(now, ours, BytesMut::from(&answer[..]));
        read.expect("because it is honest");
        assert!(prove(&mut pair, early, &late).is_err());
        pair.links.push((ours, Some(theirs)));
        send(&mut pair.client, now, stream, "there");
        pair.settle();
        assert!(pair.server().accept(now).is_some());
        assert_eq!(payload(pair.server(), now, stream), b"there");
    }
}

/// A client that has left its connection is heard there no more, and the session stays attached to it as long as the next one may
/// be confirmed.
// PROTOCOL R10.22
#[test]
fn what_its_client_has_left_is_given_up_with_the_candidate() {
    let mut pair = Pair::new();
    pair.dial();
    let old = pair.links[0].1.expect("because it is attached");
    let ours = pair.links[0].0;
    let mut lost = Vec::new();
    let now = pair.now;
    assert!(pair.server().may_swap());
    queue(
        pair.server(),
        now,
        "what the peer would have to acknowledge soon".into(),
    );
    assert!(pair.server().poll_transmit(now, old, &mut lost));
    pair.client.detach(pair.now, ours, Cause::Network);
    let knocked = knock(&mut pair);
    let theirs = adopt(&mut pair, knocked, true);
    let _ = events(pair.server());
    assert_eq!(pair.server().state(), SessionState::Attached);
    let now = pair.now;
    queue(pair.server(), now, "something".into());
    let mut packet = Vec::new();
    assert!(
        !pair.server().poll_transmit(now, old, &mut packet),
        "nothing is said there"
    );
    assert!(pair.server().is_wanted(old));
    assert!(!pair.server().wants_transmit());
    assert!(!pair.server().may_swap(), "there is nothing to swap");
    assert!(pair.server().probe(now), "the candidate may answer");
    let due = pair
        .server()
        .poll_timeout()
        .expect("because the candidate has a deadline");
    assert!(
        due >= now + Duration::from_secs(9),
        "nothing else is waited for: {due:?}"
    );
    pair.server().detach(now, theirs, Cause::Network);
    assert_eq!(pair.server().state(), SessionState::Detached);
    let told = events(pair.server());
    assert!(told.contains(&Event::Detached { cause: Cause::Network }), "{told:?}");
    assert!(!pair.server().is_wanted(old));
}

/// The old connection of a swap is left with the new one.
// PROTOCOL R10.22
#[test]
fn what_its_client_has_left_includes_what_drained() {
    let mut pair = Pair::new();
    let (_, late, old) = swap_with_a_gap(&mut pair);
    let current = pair.links[1].0;
    for epoch in [old.0, current] {
        pair.client.detach(pair.now, epoch, Cause::Network);
    }
    let knocked = knock(&mut pair);
    adopt(&mut pair, knocked, false);
    let (now, expected) = (pair.now, pair.server().ledger.expected());
    let taken = pair.server().handle_input(now, old.1, BytesMut::from(&late[..]));
    assert_eq!((taken, pair.server().ledger.expected()), (Ok(()), expected));
    assert!(!pair.server().is_wanted(old.1));
}

/// What a host says while its session waits for a candidate reaches the client there, or nobody.
// PROTOCOL R10.22
#[test]
fn what_is_said_since_its_client_left_waits_for_the_next_connection() {
    for aborts in [false, true] {
        let mut pair = Pair::new();
        pair.dial();
        let (ours, old) = pair.links.remove(0);
        let old = old.expect("because it is attached");
        pair.client.detach(pair.now, ours, Cause::Network);
        let knocked = knock(&mut pair);
        let ours = knocked.0;
        let theirs = adopt(&mut pair, knocked, true);
        let now = pair.now;
        if aborts {
            pair.server().abort(now);
            let mut packet = Vec::new();
            assert!(!pair.server().poll_transmit(now, old, &mut packet), "nobody is there");
            continue;
        }
        pair.server().migrate(now, Duration::from_secs(1), Bytes::new());
        pair.links.push((ours, Some(theirs)));
        pair.settle();
        let told = events(&mut pair.client);
        assert!(
            told.iter().any(|event| matches!(event, Event::GoAway { .. })),
            "{told:?}"
        );
    }
}
