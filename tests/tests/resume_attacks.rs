//! Replayed, forged, delayed and raced RESUMEs, forged refusals, floods: nobody without proof disturbs
//! a live connection, and nobody is displaced before the newcomer has proven itself.

use unbroken_proto::session::SessionState;
use unbroken_proto::time::Duration;
use unbroken_proto::{Event, Side, StreamId};
use unbroken_tests::pair::{Pair, ServerEnd, Setup};

const MS: u64 = 1_000_000;
const RESUME: u8 = 4;
const REFUSED: [u8; 2] = [6, 2];

/// A session that has resumed once, so that there is a RESUME to play with.
fn resumed() -> (Pair, StreamId, Vec<u8>) {
    let mut pair = Pair::new(&Setup::default());
    let stream = pair.establish();
    pair.notice(0, Side::Client);
    pair.notice(0, Side::Server);
    pair.wait(50 * MS);
    assert_eq!(pair.client.stats().attaches, 2, "{:?}", pair.events);
    let resume = pair.wires[1].log[0].1.clone();
    assert_eq!(resume[0], RESUME);
    (pair, stream, resume)
}

/// Both ends talk over the connection they have, and nothing else happens.
fn talks(pair: &mut Pair, stream: StreamId) {
    let before = pair.events.len();
    for side in [Side::Client, Side::Server] {
        assert!(pair.put(side, stream, 20));
    }
    pair.pump();
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    assert!(pair.ledger.is_settled(), "{:?}", pair.ledger.unsettled());
    let news = &pair.events[before..];
    assert!(
        !news
            .iter()
            .any(|(_, event)| matches!(event, Event::Detached { .. } | Event::Ended(_))),
        "{news:?}"
    );
}

fn server_hash(pair: &Pair) -> u64 {
    pair.server.as_ref().map_or(0, |server| server.inspect().state_hash)
}

/// What the attacker on `wire` was told.
fn answer(pair: &mut Pair, wire: usize) -> Option<Vec<u8>> {
    pair.wires[wire].take(Side::Server).map(|packet| packet.to_vec())
}

// PROTOCOL R3.19, R10.1
#[test]
fn a_replayed_resume_is_refused_and_changes_nothing() {
    let (mut pair, stream, resume) = resumed();
    for _ in 0..3 {
        let before = (
            server_hash(&pair),
            pair.server.as_ref().map(|server| server.inspect().counter),
        );
        let wire = pair.attack(&resume);
        pair.deliver(wire, Side::Client);
        assert_eq!(answer(&mut pair, wire).as_deref(), Some(&REFUSED[..]));
        assert_eq!(
            (
                server_hash(&pair),
                pair.server.as_ref().map(|server| server.inspect().counter)
            ),
            before
        );
        talks(&mut pair, stream);
    }
}

// PROTOCOL R3.18
#[test]
fn every_changed_bit_of_a_resume_is_refused_like_an_unknown_session() {
    let (mut pair, stream, resume) = resumed();
    let before = server_hash(&pair);
    for at in 1..resume.len() {
        let mut forged = resume.clone();
        forged[at] ^= 1 << (at % 8);
        let wire = pair.attack(&forged);
        pair.deliver(wire, Side::Client);
        let said = answer(&mut pair, wire);
        // A version or suite that nobody speaks is told so; everything else looks the same.
        assert!(at < 3 || said.as_deref() == Some(&REFUSED[..]), "byte {at}: {said:?}");
        assert!(
            matches!(pair.wires[wire].server, ServerEnd::Closed),
            "byte {at} was let in"
        );
        assert_eq!(server_hash(&pair), before, "byte {at}");
    }
    talks(&mut pair, stream);
}

// PROTOCOL R10.1
#[test]
fn an_earlier_resume_that_arrives_late_is_refused() {
    let mut pair = Pair::new(&Setup::default());
    let stream = pair.establish();
    pair.notice(0, Side::Client);
    pair.notice(0, Side::Server);
    // The first RESUME is held back: its connection dies before it gets through.
    while !pair.dial([None; 2]) {
        pair.now += MS;
        pair.timers();
    }
    assert!(pair.transmit(1, Side::Client));
    let held = pair.wires[1].log[0].1.clone();
    pair.wires[1].cut([true; 2]);
    pair.notice(1, Side::Client);
    pair.wait(100 * MS);
    assert_eq!(pair.client.state(), SessionState::Attached);
    let wire = pair.attack(&held);
    pair.deliver(wire, Side::Client);
    assert_eq!(answer(&mut pair, wire).as_deref(), Some(&REFUSED[..]));
    talks(&mut pair, stream);
}

// PROTOCOL R10.2, R10.3
#[test]
fn a_copy_that_overtakes_the_original_only_delays_a_swap() {
    let (mut pair, stream, _) = resumed();
    let now = pair.instant();
    pair.client.migrate(now, Duration::from_secs(1), bytes::Bytes::new());
    assert!(pair.dial([None; 2]));
    let wire = pair.wires.len() - 1;
    assert!(pair.transmit(wire, Side::Client));
    let copy = pair.wires[wire].log[0].1.clone();
    let thief = pair.attack(&copy);
    pair.deliver(thief, Side::Client);
    // The copy is authentic, so its connection is a candidate; the live one goes on regardless.
    assert!(matches!(pair.wires[thief].server, ServerEnd::Bound(_)));
    for side in [Side::Client, Side::Server] {
        assert!(pair.put(side, stream, 9));
        while pair.transmit(1, side) {}
    }
    for side in [Side::Client, Side::Server] {
        while pair.deliver(1, side) {}
    }
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    assert!(pair.ledger.is_settled(), "the live connection stopped");
    // The thief has no keys: what it says is nobody's word.
    pair.wires[thief].write(Side::Client, &[7; 40]);
    pair.deliver(thief, Side::Client);
    pair.wait(2_000 * MS);
    assert_eq!(pair.client.state(), SessionState::Attached);
    talks(&mut pair, stream);
    assert!(!pair.events.iter().any(|(_, event)| matches!(event, Event::Ended(_))));
}

// PROTOCOL R10.2
#[test]
fn an_authentic_resume_that_is_never_confirmed_displaces_nobody() {
    let (mut pair, stream, _) = resumed();
    let now = pair.instant();
    pair.client.migrate(now, Duration::from_secs(1), bytes::Bytes::new());
    assert!(pair.dial([None; 2]));
    let wire = pair.wires.len() - 1;
    assert!(pair.transmit(wire, Side::Client));
    assert!(pair.deliver(wire, Side::Client));
    pair.wires[wire].cut([true; 2]);
    let inside = pair.server.as_ref().map(|server| server.inspect().links);
    assert_eq!(
        inside,
        Some([true, true, false]),
        "a candidate beside the current connection"
    );
    for side in [Side::Client, Side::Server] {
        assert!(pair.put(side, stream, 9));
        while pair.transmit(1, side) {}
        while pair.deliver(1, side) {}
    }
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    assert!(pair.ledger.is_settled());
    pair.wait(60_000 * MS);
    talks(&mut pair, stream);
    assert!(!pair.events.iter().any(|(_, event)| matches!(event, Event::Ended(_))));
}

// PROTOCOL R3.25, R11.1
#[test]
fn forged_refusals_delay_a_session_and_never_end_it() {
    let (mut pair, stream, _) = resumed();
    pair.notice(1, Side::Client);
    pair.notice(1, Side::Server);
    let refusals: [&[u8]; 5] = [&[6, 2], &[6, 1, 5], &[6, 3], &[6, 4], &[6, 9]];
    for refusal in refusals.into_iter().cycle().take(10) {
        while !pair.dial([None; 2]) {
            pair.now = pair.next_deadline().unwrap_or(pair.now).max(pair.now);
            pair.timers();
        }
        let wire = pair.wires.len() - 1;
        while pair.transmit(wire, Side::Client) {}
        pair.wires[wire].cut([true; 2]);
        pair.wires[wire].forge(Side::Server, refusal);
        assert!(pair.deliver(wire, Side::Server));
        pair.read_events();
        pair.notice(wire, Side::Client);
    }
    pair.wait(120_000 * MS);
    assert_eq!(pair.client.state(), SessionState::Attached, "{:?}", pair.events.last());
    talks(&mut pair, stream);
}

// PROTOCOL R2.6
#[test]
fn a_thousand_silent_strangers_do_not_shut_out_a_resumer() {
    let (mut pair, stream, _) = resumed();
    pair.notice(1, Side::Client);
    pair.notice(1, Side::Server);
    for _ in 0..3_000 {
        let now = pair.instant();
        pair.registry
            .connection_accepted(now, unbroken_proto::Carrier::ordered());
    }
    pair.wait(1_000 * MS);
    assert_eq!(pair.client.state(), SessionState::Attached);
    talks(&mut pair, stream);
}
