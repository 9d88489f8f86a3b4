//! Replayed, forged, delayed and raced RESUMEs, forged refusals, floods: nobody without proof disturbs
//! a live connection, and nobody is displaced before the newcomer has proven itself.

use unbroken_proto::session::SessionState;
use unbroken_proto::time::Duration;
use unbroken_proto::{Event, Side, StreamId};
use unbroken_tests::duo::{Duo, ServerEnd, Setup};

const MS: u64 = 1_000_000;
const RESUME: u8 = 4;
const REFUSED: [u8; 2] = [6, 2];

/// A session that has resumed once, so that there is a RESUME to play with.
fn resumed() -> (Duo, StreamId, Vec<u8>) {
    let mut duo = Duo::new(&Setup::default());
    let stream = duo.establish();
    duo.notice(0, Side::Client);
    duo.notice(0, Side::Server);
    duo.wait(50 * MS);
    assert_eq!(duo.client.stats().attaches, 2, "{:?}", duo.events);
    let resume = duo.wires[1].log[0].1.clone();
    assert_eq!(resume[0], RESUME);
    (duo, stream, resume)
}

/// Both ends talk over the connection they have, and nothing else happens.
fn talks(duo: &mut Duo, stream: StreamId) {
    let before = duo.events.len();
    for side in [Side::Client, Side::Server] {
        assert!(duo.put(side, stream, 20));
    }
    duo.pump();
    duo.read_all(Side::Client, &[stream]);
    duo.read_all(Side::Server, &[stream]);
    assert!(duo.ledger.is_settled(), "{:?}", duo.ledger.unsettled());
    let news = &duo.events[before..];
    assert!(
        !news
            .iter()
            .any(|(_, event)| matches!(event, Event::Detached { .. } | Event::Ended(_))),
        "{news:?}"
    );
}

fn server_hash(duo: &Duo) -> u64 {
    duo.server.as_ref().map_or(0, |server| server.inspect().state_hash)
}

/// What the attacker on `wire` was told.
fn answer(duo: &mut Duo, wire: usize) -> Option<Vec<u8>> {
    duo.wires[wire].take(Side::Server).map(|packet| packet.to_vec())
}

#[test]
fn a_replayed_resume_is_refused_and_changes_nothing() {
    let (mut duo, stream, resume) = resumed();
    for _ in 0..3 {
        let before = (
            server_hash(&duo),
            duo.server.as_ref().map(|server| server.inspect().counter),
        );
        let wire = duo.attack(&resume);
        duo.deliver(wire, Side::Client);
        assert_eq!(answer(&mut duo, wire).as_deref(), Some(&REFUSED[..]));
        assert_eq!(
            (
                server_hash(&duo),
                duo.server.as_ref().map(|server| server.inspect().counter)
            ),
            before
        );
        talks(&mut duo, stream);
    }
}

#[test]
fn every_changed_bit_of_a_resume_is_refused_like_an_unknown_session() {
    let (mut duo, stream, resume) = resumed();
    let before = server_hash(&duo);
    for at in 1..resume.len() {
        let mut forged = resume.clone();
        forged[at] ^= 1 << (at % 8);
        let wire = duo.attack(&forged);
        duo.deliver(wire, Side::Client);
        let said = answer(&mut duo, wire);
        // A version or suite that nobody speaks is told so; everything else looks the same.
        assert!(at < 3 || said.as_deref() == Some(&REFUSED[..]), "byte {at}: {said:?}");
        assert!(
            matches!(duo.wires[wire].server, ServerEnd::Closed),
            "byte {at} was let in"
        );
        assert_eq!(server_hash(&duo), before, "byte {at}");
    }
    talks(&mut duo, stream);
}

#[test]
fn an_earlier_resume_that_arrives_late_is_refused() {
    let mut duo = Duo::new(&Setup::default());
    let stream = duo.establish();
    duo.notice(0, Side::Client);
    duo.notice(0, Side::Server);
    // The first RESUME is held back: its connection dies before it gets through.
    while !duo.dial([None; 2]) {
        duo.now += MS;
        duo.timers();
    }
    assert!(duo.transmit(1, Side::Client));
    let held = duo.wires[1].log[0].1.clone();
    duo.wires[1].cut([true; 2]);
    duo.notice(1, Side::Client);
    duo.wait(100 * MS);
    assert_eq!(duo.client.state(), SessionState::Attached);
    let wire = duo.attack(&held);
    duo.deliver(wire, Side::Client);
    assert_eq!(answer(&mut duo, wire).as_deref(), Some(&REFUSED[..]));
    talks(&mut duo, stream);
}

#[test]
fn a_copy_that_overtakes_the_original_only_delays_a_swap() {
    let (mut duo, stream, _) = resumed();
    let now = duo.instant();
    duo.client.migrate(now, Duration::from_secs(1), bytes::Bytes::new());
    assert!(duo.dial([None; 2]));
    let wire = duo.wires.len() - 1;
    assert!(duo.transmit(wire, Side::Client));
    let copy = duo.wires[wire].log[0].1.clone();
    let thief = duo.attack(&copy);
    duo.deliver(thief, Side::Client);
    // The copy is authentic, so its connection is a candidate; the live one goes on regardless.
    assert!(matches!(duo.wires[thief].server, ServerEnd::Bound(_)));
    for side in [Side::Client, Side::Server] {
        assert!(duo.put(side, stream, 9));
        while duo.transmit(1, side) {}
    }
    for side in [Side::Client, Side::Server] {
        while duo.deliver(1, side) {}
    }
    duo.read_all(Side::Client, &[stream]);
    duo.read_all(Side::Server, &[stream]);
    assert!(duo.ledger.is_settled(), "the live connection stopped");
    // The thief has no keys: what it says is nobody's word.
    duo.wires[thief].write(Side::Client, &[7; 40]);
    duo.deliver(thief, Side::Client);
    duo.wait(2_000 * MS);
    assert_eq!(duo.client.state(), SessionState::Attached);
    talks(&mut duo, stream);
    assert!(!duo.events.iter().any(|(_, event)| matches!(event, Event::Ended(_))));
}

#[test]
fn an_authentic_resume_that_is_never_confirmed_displaces_nobody() {
    let (mut duo, stream, _) = resumed();
    let now = duo.instant();
    duo.client.migrate(now, Duration::from_secs(1), bytes::Bytes::new());
    assert!(duo.dial([None; 2]));
    let wire = duo.wires.len() - 1;
    assert!(duo.transmit(wire, Side::Client));
    assert!(duo.deliver(wire, Side::Client));
    duo.wires[wire].cut([true; 2]);
    let inside = duo.server.as_ref().map(|server| server.inspect().links);
    assert_eq!(
        inside,
        Some([true, true, false]),
        "a candidate beside the current connection"
    );
    for side in [Side::Client, Side::Server] {
        assert!(duo.put(side, stream, 9));
        while duo.transmit(1, side) {}
        while duo.deliver(1, side) {}
    }
    duo.read_all(Side::Client, &[stream]);
    duo.read_all(Side::Server, &[stream]);
    assert!(duo.ledger.is_settled());
    duo.wait(60_000 * MS);
    talks(&mut duo, stream);
    assert!(!duo.events.iter().any(|(_, event)| matches!(event, Event::Ended(_))));
}

#[test]
fn forged_refusals_delay_a_session_and_never_end_it() {
    let (mut duo, stream, _) = resumed();
    duo.notice(1, Side::Client);
    duo.notice(1, Side::Server);
    let refusals: [&[u8]; 5] = [&[6, 2], &[6, 1, 5], &[6, 3], &[6, 4], &[6, 9]];
    for refusal in refusals.into_iter().cycle().take(10) {
        while !duo.dial([None; 2]) {
            duo.now = duo.next_deadline().unwrap_or(duo.now).max(duo.now);
            duo.timers();
        }
        let wire = duo.wires.len() - 1;
        while duo.transmit(wire, Side::Client) {}
        duo.wires[wire].cut([true; 2]);
        duo.wires[wire].forge(Side::Server, refusal);
        assert!(duo.deliver(wire, Side::Server));
        duo.read_events();
        duo.notice(wire, Side::Client);
    }
    duo.wait(120_000 * MS);
    assert_eq!(duo.client.state(), SessionState::Attached, "{:?}", duo.events.last());
    talks(&mut duo, stream);
}

#[test]
fn a_thousand_silent_strangers_do_not_shut_out_a_resumer() {
    let (mut duo, stream, _) = resumed();
    duo.notice(1, Side::Client);
    duo.notice(1, Side::Server);
    for _ in 0..3_000 {
        let now = duo.instant();
        duo.registry
            .connection_accepted(now, unbroken_proto::Carrier::ordered());
    }
    duo.wait(1_000 * MS);
    assert_eq!(duo.client.state(), SessionState::Attached);
    talks(&mut duo, stream);
}
