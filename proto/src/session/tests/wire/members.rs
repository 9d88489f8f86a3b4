//! The same breaches at other moments: behind a CLOSE that waits in the inbox, and in the packet that confirms.

use super::*;

/// What an end makes of who contradicts its own CLOSE: nothing that it said about what is open is believed.
///
/// Kills `lost_state_keeps_close`.
// PROTOCOL R8.2, R8.10, R10.19
#[test]
fn what_is_open_is_unknown_when_a_peer_contradicts_its_close() {
    let done = |position| Frame::End(End::new(EndCode::Done, Some(position)).into());
    let cases = [(1, Frame::Ack { position: 2 }), (1, done(2)), (2, done(1))];
    for (stated, later) in cases {
        let (mut pair, stream) = half_acknowledged();
        say(&mut pair, &[closing(stated)]).expect("because it is true");
        let _ = say(&mut pair, core::slice::from_ref(&later));
        let Some(Event::Ended(ended)) = events(pair.server()).pop() else {
            panic!("{later:?} ends the session");
        };
        assert_eq!(ended.reason, EndReason::StateLost);
        let fate = ended.fates.streams.iter().find(|fate| fate.stream == stream);
        let fate = fate.expect("because its message is not acknowledged");
        assert_eq!(
            (fate.unknown.messages, fate.not_delivered.len(), fate.delivered.messages),
            (1, 0, 0),
            "CLOSE {stated}, then {later:?}"
        );
    }
}

/// A server that misses the client's frame at 1 of a planned swap, and has sent two of its own that are not acknowledged.
fn missing() -> Pair {
    let mut pair = Pair::new();
    swap_with_a_gap(&mut pair);
    let now = pair.now;
    queue(pair.server(), now, Bytes::from_static(b"perhaps"));
    hear(&mut pair);
    let (acked, next) = (pair.server().inspect().acked, pair.server().inspect().next);
    assert_eq!((acked, next), (0, 2));
    pair
}

/// Kills `close_held_says_nothing`.
// PROTOCOL R8.2, R8.10
#[test]
fn a_close_that_waits_for_its_turn_binds_who_said_it() {
    let mut pair = missing();
    say(&mut pair, &[closing(0)]).expect("because a gap is open");
    assert_eq!(
        say(&mut pair, &[Frame::Ack { position: 1 }]),
        broke(ProtocolError::StateLost)
    );
    assert_eq!(reason(pair.server()), Some(EndReason::StateLost));

    let mut pair = missing();
    say(&mut pair, &[closing(1)]).expect("because a gap is open");
    say(&mut pair, &[Frame::Ack { position: 1 }]).expect("because that is what it says");
    say(&mut pair, &[Frame::End(End::new(EndCode::Done, Some(2)).into())]).expect("because END is never answered");
    assert_eq!(reason(pair.server()), Some(EndReason::StateLost));
}

/// What confirms is judged like any other packet.
// PROTOCOL R2.4
#[test]
fn a_packet_that_is_too_long_confirms_nothing() {
    let mut pair = dialled();
    pair.cut();
    let now = pair.now;
    let (ours, incoming) = resume(&mut pair);
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, server, theirs, &mut pair.client, ours);
    let mut frames = alloc::vec![Frame::From { position: 0 }];
    frames.resize(40_000, Frame::Ping { id: 1 });
    let packet = seal(&mut pair.client, ours, &plaintext(&frames));
    let heard = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
    assert_eq!(heard, Err(ConnectionError::TooLarge));
    assert_eq!(pair.server().state(), SessionState::Detached);
}
