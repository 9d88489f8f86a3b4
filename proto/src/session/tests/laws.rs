//! The laws of ARCHITECTURE.md and the invariants that the simulator checks, each at the lowest level
//! where its breach shows, with the bug that it kills.

use super::review::{shake, stray};
use super::swaps::resume;
use super::*;
use crate::error::ProtocolError;
use crate::event::Ended;
use crate::id::Side;
use crate::session::ledger::{Arrival, Ledger};
use crate::wire::frame::{Close, Frame, Open};

/// A session with a stream of the client's on which the server owes an acknowledgement.
fn unacknowledged() -> (Pair, StreamId) {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.settle();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.client
        .stream(stream)
        .send(pair.now, Bytes::from_static(b"one"))
        .expect("because there is room");
    to_server(&mut pair);
    (pair, stream)
}

#[test]
fn it_wants_to_send_exactly_while_there_is_something() {
    let (mut pair, stream) = unacknowledged();
    assert!(!pair.server().wants_transmit(), "the acknowledgement may wait");
    pair.sleep(Duration::from_millis(25));
    assert!(pair.server().wants_transmit(), "now it is due");
    pair.settle();
    assert!(!pair.server().wants_transmit() && !pair.client.wants_transmit());
    let (ours, theirs) = pair.links[0];
    let now = pair.now;
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"two"))
        .expect("because there is room");
    assert!(pair.client.wants_transmit());
    pair.cut();
    assert!(!pair.client.wants_transmit(), "there is no connection to send it on");
    pair.dial();
    assert!(pair.links[0] != (ours, theirs) && !pair.client.wants_transmit());
    pair.client
        .close(pair.now, 1, Bytes::new())
        .expect("because the code fits");
    assert!(pair.client.wants_transmit(), "CLOSE");
    pair.settle();
    assert!(!pair.client.wants_transmit() && !pair.server().wants_transmit());
}

/// Carries what the client has to the server, and nothing back.
fn to_server(pair: &mut Pair) {
    let (ours, theirs) = pair.links[0];
    let theirs = theirs.expect("because it is attached");
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(pair.now, &mut pair.client, ours, server, theirs);
}

fn ledger() -> Ledger {
    Ledger::new(Side::Server, &SessionConfig::default())
}

fn open(id: u64) -> Frame {
    Frame::Open(Open {
        stream: StreamId(id),
        priority: 128,
        fragment_size: 16_000,
        label: Bytes::new(),
    })
}

/// Law 1. Kills `hidden_entropy`.
#[test]
fn the_seed_decides_every_byte() {
    let hello = || {
        let mut pair = Pair::new();
        let epoch = pair
            .client
            .attach(pair.now, Carrier::ordered())
            .expect("because a connection is wanted");
        let mut packet = Vec::new();
        assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
        packet
    };
    assert_eq!(hello(), hello());
}

/// Law 3. Kills `poll_decides`.
#[test]
fn polls_change_nothing_of_what_is_sent() {
    let packet = |polled: bool| {
        let (mut pair, _) = unacknowledged();
        let (now, theirs) = (pair.now, pair.links[0].1.expect("because it is attached"));
        let server = pair.server();
        if polled {
            while server.poll_event().is_some() {}
            let _ = (server.poll_timeout(), server.poll_report(), server.is_wanted(theirs));
        }
        let mut packet = Vec::new();
        server.poll_transmit(now, theirs, &mut packet).then_some(packet)
    };
    assert_eq!(packet(false), packet(true));
}

/// Law 4. Kills `deadline_hidden`.
#[test]
fn a_host_that_sleeps_as_it_is_told_acknowledges_in_time() {
    let (mut pair, _) = unacknowledged();
    let (now, theirs) = (pair.now, pair.links[0].1.expect("because it is attached"));
    let due = pair
        .server()
        .poll_timeout()
        .expect("because an acknowledgement is owed");
    assert!(due <= now + SessionConfig::default().ack_delay, "{due:?} at {now:?}");
    pair.server().handle_timeout(due);
    let mut packet = Vec::new();
    assert!(pair.server().poll_transmit(due, theirs, &mut packet));
}

/// Law 5. Kills `want_lost`.
#[test]
fn a_refused_attach_leaves_the_want() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.reconnect().pause(now);
    assert!(pair.client.attach(now, Carrier::ordered()).is_err());
    pair.client.reconnect().resume(now);
    assert!(pair.client.wanted_connection().is_some());
}

/// Law 6. Kills `trace_left`.
#[test]
fn what_a_connection_still_had_to_say_goes_with_it() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    // The server has not noticed that the connection is dead.
    pair.server().migrate(now, Duration::from_secs(1), Bytes::new());
    let (ours, _) = pair.links.remove(0);
    pair.client.detach(now, ours, Cause::Network);
    pair.dial();
    assert!(
        !events(&mut pair.client)
            .iter()
            .any(|event| matches!(event, Event::GoAway { .. }))
    );
}

/// Law 7. Kills `replies_wait`.
// PROTOCOL R6.7
#[test]
fn an_answer_does_not_wait_for_a_backlog() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    queue(pair.server(), now, Bytes::from(alloc::vec![7; 90_000]));
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    let mut packet = Vec::new();
    // Committed, lost, and so owed again on the connection after it.
    while pair.server().poll_transmit(now, theirs, &mut packet) {
        packet.clear();
    }
    let _ = ours;
    pair.cut();
    pair.links.clear();
    let (ours, incoming) = resume(&mut pair);
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    packet.clear();
    assert!(pair.server().poll_transmit(now, theirs, &mut packet));
    pair.client
        .handle_input(now, ours, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    let ping = encode(&[Frame::From { position: 0 }, Frame::Ping { id: 9 }]);
    let ping = seal(&mut pair.client, ours, &ping);
    pair.server()
        .handle_input(now, theirs, BytesMut::from(&ping[..]))
        .expect("because it is honest");
    assert!(
        pair.server()
            .connections
            .current()
            .is_some_and(|live| live.pong == Some(9))
    );
    packet.clear();
    assert!(pair.server().poll_transmit(now, theirs, &mut packet));
    assert!(pair.server().inspect().next > 1, "there is a backlog");
    assert!(
        pair.server()
            .connections
            .current()
            .is_some_and(|live| live.pong.is_none())
    );
}

/// Law 8. Kills `forgery_is_fatal`.
// PROTOCOL R3.22
#[test]
fn an_error_drops_the_connection_and_not_the_session() {
    let mut pair = Pair::new();
    pair.dial();
    let (now, ours) = (pair.now, pair.links[0].0);
    let forged = BytesMut::from(&[7u8; 40][..]);
    assert!(pair.client.handle_input(now, ours, forged).is_err());
    assert_eq!(pair.client.state(), SessionState::Detached);
    assert!(pair.client.wanted_connection().is_some());
}

/// Law 10. Kills `late_input_counts`.
// PROTOCOL R10.9
#[test]
fn input_of_a_connection_that_is_over_is_ignored() {
    let (mut pair, _) = unacknowledged();
    let (now, old) = (pair.now, pair.links[0].0);
    let mut late = Vec::new();
    let theirs = pair.links[0].1.expect("because it is attached");
    pair.sleep(Duration::from_millis(25));
    assert!(pair.server().poll_transmit(now, theirs, &mut late));
    pair.cut();
    pair.dial();
    let before = pair.client.inspect();
    pair.client
        .handle_input(now, old, BytesMut::from(&late[..]))
        .expect("because late input is no fault");
    assert_eq!(pair.client.inspect(), before);
    assert_eq!(pair.client.state(), SessionState::Attached);
}

/// Invariant 1. Kills `gap_delivered`.
// PROTOCOL R5.2
#[test]
fn what_is_ahead_of_its_turn_waits_or_is_a_fault() {
    let mut ledger = ledger();
    assert_eq!(ledger.arrive(1, open(3), false).err(), Some(ProtocolError::Gap));
    let (arrival, _) = ledger.arrive(1, open(3), true).expect("because a gap is open");
    assert_eq!((arrival, ledger.expected()), (Arrival::Ahead, 0));
    let (arrival, _) = ledger.arrive(0, open(1), true).expect("because it is its turn");
    assert_eq!((arrival, ledger.expected()), (Arrival::InOrder { payload: 0 }, 2));
}

/// Invariant 1. Kills `duplicate_delivered`.
// PROTOCOL R5.3
#[test]
fn what_was_here_before_is_not_taken_again() {
    let mut ledger = ledger();
    assert!(ledger.arrive(0, open(1), false).is_ok());
    let (arrival, _) = ledger.arrive(0, open(1), false).expect("because a repeat is no fault");
    assert_eq!((arrival, ledger.expected()), (Arrival::Duplicate, 1));
}

/// Kills `close_not_last`.
// PROTOCOL R8.1
#[test]
fn nothing_sequenced_lies_behind_a_close() {
    let close = || {
        Frame::Close(Close {
            code: 1,
            reason: Bytes::new(),
            position: 0,
        })
    };
    let mut behind = ledger();
    assert!(behind.arrive(0, close(), false).is_ok());
    assert_eq!(behind.arrive(1, open(1), false).err(), Some(ProtocolError::AfterEnd));
    let mut held = ledger();
    assert!(held.arrive(2, open(1), true).is_ok());
    assert_eq!(held.arrive(1, close(), true).err(), Some(ProtocolError::AfterEnd));
}

/// Invariant 2. Kills `freed_early`.
#[test]
fn nothing_is_freed_that_the_peer_did_not_state() {
    let (mut pair, _) = unacknowledged();
    let before = pair.client.inspect();
    assert!(before.acked < before.next);
    pair.sleep(Duration::from_millis(25));
    let (now, ours) = (pair.now, pair.links[0].0);
    let ack = encode(&[Frame::Ack { position: before.acked }]);
    let theirs = pair.links[0].1.expect("because it is attached");
    let ack = seal(pair.server(), theirs, &ack);
    pair.client
        .handle_input(now, ours, BytesMut::from(&ack[..]))
        .expect("because it is honest");
    assert_eq!(pair.client.inspect().acked, before.acked);
    assert_eq!(pair.client.inspect().committed_bytes, before.committed_bytes);
}

/// Invariant 6. Kills `replay_from_acked`.
// PROTOCOL R10.20
#[test]
fn what_the_peer_stated_is_not_sent_again() {
    let (mut pair, _) = unacknowledged();
    pair.cut();
    pair.dial();
    assert_eq!(pair.client.stats().replayed_bytes, 0);
    assert_eq!(pair.client.inspect().redundant, 0);
}

/// Invariant 8. Kills `position_trusted`.
// PROTOCOL R10.19
#[test]
fn a_peer_that_states_what_was_never_sent_has_lost_its_state() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    let server = pair.server();
    assert!(server.ledger.arrive(0, open(1), false).is_ok());
    let (now, next) = (pair.now, pair.client.inspect().next);
    let (ours, incoming) = resume(&mut pair);
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    let mut packet = Vec::new();
    assert!(pair.server().poll_transmit(now, theirs, &mut packet));
    let _ = pair.client.handle_input(now, ours, BytesMut::from(&packet[..]));
    let reason = events(&mut pair.client).pop();
    assert!(
        matches!(
            reason,
            Some(Event::Ended(Ended {
                reason: EndReason::StateLost,
                ..
            }))
        ),
        "{reason:?}"
    );
    assert_eq!(pair.client.inspect().next, next);
}

/// Invariant 8. Kills `counter_ignored`.
// PROTOCOL R10.1, R10.4
#[test]
fn a_resume_opens_the_session_once() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    let now = pair.now;
    let epoch = pair
        .client
        .attach(now, Carrier::ordered())
        .expect("because a connection is wanted");
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(now, epoch, &mut packet));
    let mut knock = || {
        let connection = pair.registry.connection_accepted(now, Carrier::ordered());
        match pair.registry.first_packet(now, connection, BytesMut::from(&packet[..])) {
            Route::Resume { incoming, .. } => pair.server.as_mut().expect("because dialled").adopt(now, incoming),
            _ => panic!("not a resume"),
        }
    };
    assert!(knock().is_ok());
    assert!(knock().is_err());
}

/// Invariant 8. Kills `finality_from_anyone`.
// PROTOCOL R11.4
#[test]
fn another_server_says_nothing_final_about_the_session() {
    let (mut client, mut elsewhere, now) = stray();
    let (epoch, incoming) = shake(&mut elsewhere, &mut client, now);
    let Admission::New {
        mut session,
        epoch: theirs,
    } = elsewhere.admit(now, incoming)
    else {
        panic!("not admitted");
    };
    let mut verdict = Vec::new();
    assert!(session.poll_transmit(now, theirs, &mut verdict));
    assert!(client.handle_input(now, epoch, BytesMut::from(&verdict[..])).is_err());
    assert_eq!(client.state(), SessionState::Detached);
}

/// Kills `positions_wrap`.
#[test]
fn a_session_that_reaches_the_last_position_ends_by_that_name() {
    const LAST: u64 = (1 << 62) - 1;
    let (mut pair, stream) = unacknowledged();
    pair.settle();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.cut();
    pair.client.ledger.fast_forward(LAST - 3, 0);
    pair.server().ledger.fast_forward(0, LAST - 3);
    pair.dial();
    let now = pair.now;
    for part in 0..4u8 {
        let _ = pair
            .client
            .stream(stream)
            .send(now, Bytes::from(alloc::vec![part; 20_000]));
        pair.settle();
    }
    let mut server = Vec::new();
    server.extend(events(pair.server()));
    let ended = events(&mut pair.client).pop();
    let Some(Event::Ended(ended)) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(ended.reason, EndReason::Exhausted);
    assert!(pair.client.inspect().next <= LAST);
    assert!(
        matches!(server.pop(), Some(Event::Ended(ended)) if ended.reason == EndReason::AbortedByPeer),
        "the peer is told"
    );
}

/// Invariant 9. Kills `dial_after_end`.
#[test]
fn nothing_is_left_of_a_session_that_is_over() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    let now = pair.now;
    assert!(pair.client.wanted_connection().is_some());
    pair.client.abort(now);
    assert_eq!(pair.client.wanted_connection(), None);
    assert_eq!(pair.client.poll_timeout(), None);
    assert_eq!(pair.client.inspect().links, [false; 3]);
}

fn encode(frames: &[Frame]) -> Vec<u8> {
    let mut plaintext = Vec::new();
    let mut writer = crate::wire::FrameWriter::new(&mut plaintext);
    frames.iter().for_each(|frame| writer.push(frame));
    writer.finish();
    plaintext
}
