//! What PROTOCOL.md demands of a peer, and of us, where only packets spelled by hand can show it. The client's machine
//! lends its keys to a peer that says what it likes; the server's is the one that is tried.

extern crate std;

use proptest::prelude::*;

use super::swaps::{cut_old, resume, swap_with_a_gap};
use super::*;
use crate::error::{ConnectionError, ProtocolError};
use crate::event::Ended;
use crate::security::testing::{BadResume, resume_packet};
use crate::wire::frame::{Close, Data, End, EndCode, Frame, Open, Part};

mod members;

/// Both ends of the newest connection.
fn newest(pair: &Pair) -> (Epoch, Epoch) {
    let (ours, theirs) = *pair.links.last().expect("because dialled");
    (ours, theirs.expect("because it is attached"))
}

pub(super) fn plaintext(frames: &[Frame]) -> Vec<u8> {
    let mut plaintext = Vec::new();
    let mut writer = crate::wire::FrameWriter::new(&mut plaintext);
    frames.iter().for_each(|frame| writer.push(frame));
    writer.finish();
    plaintext
}

/// The peer says `frames` on the newest connection; what the server makes of it.
fn say(pair: &mut Pair, frames: &[Frame]) -> Result<(), ConnectionError> {
    let (ours, theirs) = newest(pair);
    let now = pair.now;
    let packet = seal(&mut pair.client, ours, &plaintext(frames));
    pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]))
}

/// The frames of every packet that the server has for the newest connection, and how long the packets are.
fn hear(pair: &mut Pair) -> Vec<(usize, Vec<Frame>)> {
    let (_, theirs) = newest(pair);
    let now = pair.now;
    let mut heard = Vec::new();
    let mut packet = Vec::new();
    while pair.server().poll_transmit(now, theirs, &mut packet) {
        let current = pair
            .client
            .connections
            .current
            .as_mut()
            .expect("because it is attached");
        let mut opened = BytesMut::from(&packet[1..]);
        assert!(
            current.keys.opener.open(&mut opened).is_ok(),
            "because both have the keys"
        );
        let frames: Result<Vec<Frame>, _> = crate::wire::frames(opened.freeze()).collect();
        heard.push((packet.len(), frames.expect("because the server is honest")));
        packet.clear();
    }
    heard
}

fn all(heard: Vec<(usize, Vec<Frame>)>) -> Vec<Frame> {
    heard.into_iter().flat_map(|(_, frames)| frames).collect()
}

fn payloads(frames: &[Frame]) -> Vec<usize> {
    let payload = |frame: &Frame| match frame {
        Frame::Data(data) => Some(data.payload.len()),
        _ => None,
    };
    frames.iter().filter_map(payload).collect()
}

fn opening(stream: u64, fragment_size: u64) -> Frame {
    Frame::Open(Open {
        stream: StreamId(stream),
        priority: 128,
        fragment_size,
        label: Bytes::new(),
    })
}

fn data(stream: u64, len: usize) -> Frame {
    Frame::Data(Data {
        stream: StreamId(stream),
        payload: Bytes::from(alloc::vec![7; len]),
        message_end: true,
        stream_end: false,
    })
}

fn closing(position: u64) -> Frame {
    Frame::Close(Close {
        code: 1,
        reason: Bytes::new(),
        position,
    })
}

fn reason(session: &mut Session) -> Option<EndReason> {
    match events(session).pop() {
        Some(Event::Ended(Ended { reason, .. })) => Some(reason),
        _ => None,
    }
}

/// The END that the server says, if it does.
fn end(pair: &mut Pair) -> Option<End> {
    all(hear(pair)).into_iter().find_map(|frame| match frame {
        Frame::End(end) => Some(*end),
        _ => None,
    })
}

fn broke(rule: ProtocolError) -> Result<(), ConnectionError> {
    Err(ConnectionError::Protocol(rule))
}

fn dialled() -> Pair {
    let mut pair = Pair::new();
    pair.dial();
    pair
}

/// Kills `fragment_ignored_sending`.
// PROTOCOL R4.20
#[test]
fn what_goes_out_on_a_stream_keeps_to_the_size_that_its_opener_stated() {
    let mut pair = dialled();
    say(&mut pair, &[opening(1, 1_000)]).expect("because it is allowed");
    let now = pair.now;
    let stream = pair.server().accept(now).expect("because it was opened").id;
    pair.server()
        .stream(stream)
        .send(now, Bytes::from(alloc::vec![1; 3_000]))
        .expect("because there is room");
    assert_eq!(payloads(&all(hear(&mut pair))), [1_000, 1_000, 1_000]);
}

/// Kills `fragment_ignored_receiving`.
// PROTOCOL R4.20
#[test]
fn a_payload_over_the_stated_size_breaks_the_protocol_whoever_opened_the_stream() {
    for ours in [false, true] {
        for (len, allowed) in [(1_000, true), (1_001, false)] {
            let mut pair = dialled();
            let now = pair.now;
            let stream = if ours {
                let options = StreamOptions {
                    fragment_size: Some(1_000),
                    ..StreamOptions::default()
                };
                let stream = pair.server().open(now, options).expect("because there is room");
                hear(&mut pair);
                stream.0
            } else {
                say(&mut pair, &[opening(1, 1_000)]).expect("because it is allowed");
                1
            };
            let heard = say(&mut pair, &[data(stream, len)]);
            let expected = if allowed {
                Ok(())
            } else {
                broke(ProtocolError::Fragment)
            };
            assert_eq!(heard, expected, "ours: {ours}, {len} bytes");
        }
    }
}

/// Kills `packet_limit_ignored`.
#[test]
fn no_packet_is_longer_than_the_peer_takes_also_when_its_frames_go_again() {
    let mut pair = dialled();
    let (now, limit) = (pair.now, 4_096);
    let peer = pair.server().identity.peer.as_mut().expect("because it is established");
    peer.parameters.packet_limit = limit as u64;
    let options = StreamOptions {
        fragment_size: Some(64_000),
        ..StreamOptions::default()
    };
    let stream = pair.server().open(now, options).expect("because there is room");
    pair.server()
        .stream(stream)
        .send(now, Bytes::from(alloc::vec![1; 60_000]))
        .expect("because there is room");
    let first = hear(&mut pair);
    assert!(first.iter().all(|(len, _)| *len <= limit));
    // What filled a packet goes again, beside the longest of what is said once.
    let current = pair
        .server()
        .connections
        .current
        .as_mut()
        .expect("because it is attached");
    (current.cursor, current.from_due) = (2, true);
    let elsewhere = Bytes::from(alloc::vec![b'x'; 1_024]);
    pair.server().migrate(now, Duration::from_secs(1), elsewhere);
    let again = hear(&mut pair);
    let longest = again.iter().map(|(len, _)| *len).max();
    assert!(longest <= Some(limit), "{longest:?}");
    assert_eq!(payloads(&all(first))[1..], payloads(&all(again)));
}

/// Kills `longer_than_we_take`.
// PROTOCOL R4.2
#[test]
fn a_packet_longer_than_this_end_takes_breaks_the_protocol() {
    for (more, allowed) in [(0, true), (1, false)] {
        let mut pair = Pair::with(|_, server| server.packet_limit = 2_000);
        pair.dial();
        let (ours, theirs) = newest(&pair);
        let now = pair.now;
        // PINGs of two bytes, and one of three.
        let said = [&[0x0d, 0x40, 0x40][..], &[0x0d, 1].repeat(990), &[0x10][..more]].concat();
        let packet = seal(&mut pair.client, ours, &said);
        assert_eq!(packet.len(), 2_000 + more);
        let heard = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
        let expected = if allowed {
            Ok(())
        } else {
            broke(ProtocolError::PacketLimit)
        };
        assert_eq!(heard, expected);
    }
}

/// Kills `parts_unacknowledged`.
// PROTOCOL R5.4
#[test]
fn a_part_is_answered_as_a_sequenced_frame_is() {
    let mut pair = dialled();
    say(&mut pair, &[opening(1, 16_000)]).expect("because it is allowed");
    pair.sleep(Duration::from_millis(100));
    hear(&mut pair);
    let Frame::Data(data) = data(1, 500) else {
        unreachable!("because it is DATA")
    };
    let part = Part {
        data,
        offset: 0,
        total: 9_000,
    };
    say(&mut pair, &[Frame::Part(part)]).expect("because it is allowed");
    assert_eq!(all(hear(&mut pair)), []);
    pair.sleep(Duration::from_millis(25));
    assert_eq!(all(hear(&mut pair)), [Frame::Ack { position: 1 }]);
}

/// Kills `never_cut_again`. The peer that takes less is one that knows of a gateway; see `packets` for those that nobody knows of.
#[test]
fn what_was_cut_for_longer_packets_goes_in_parts() {
    let mut pair = dialled();
    let (now, limit) = (pair.now, 1_200);
    let stream = queue(pair.server(), now, Bytes::from(alloc::vec![1; 30_000]));
    let first = payloads(&all(hear(&mut pair)));
    assert_eq!(first, [16_384, 13_616]);
    let peer = pair.server().identity.peer.as_mut().expect("because it is established");
    peer.parameters.packet_limit = limit as u64;
    let current = pair.server().connections.current.as_mut();
    current.expect("because it is attached").go_on_from(1);
    let again = hear(&mut pair);
    assert!(again.iter().all(|(len, _)| *len <= limit), "{again:?}");
    let mut expected = (0, 0);
    for frame in all(again) {
        match frame {
            Frame::Part(part) => {
                assert_eq!((part.total, part.offset), (first[expected.0] as u64, expected.1));
                assert_eq!((part.data.stream, part.data.message_end), (stream, expected.0 == 1));
                expected.1 += part.data.payload.len() as u64;
                if expected.1 == part.total {
                    expected = (expected.0 + 1, 0);
                }
            }
            Frame::From { position } => assert_eq!(position, 1),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(expected, (2, 0));
}

/// A session on which the server has sent a stream and a message, and has the peer's word for the stream only.
fn half_acknowledged() -> (Pair, StreamId) {
    let mut pair = dialled();
    let now = pair.now;
    let stream = queue(pair.server(), now, Bytes::from_static(b"perhaps"));
    hear(&mut pair);
    say(&mut pair, &[Frame::Ack { position: 1 }]).expect("because it is true");
    let (acked, next) = (pair.server().inspect().acked, pair.server().inspect().next);
    assert_eq!((acked, next), (1, 2));
    (pair, stream)
}

/// Kills `close_believed`.
// PROTOCOL R8.3
#[test]
fn a_close_that_states_what_cannot_be_is_not_believed() {
    for (position, believed) in [(0, false), (1, true), (2, true), (3, false)] {
        let (mut pair, _) = half_acknowledged();
        let heard = say(&mut pair, &[closing(position)]);
        if believed {
            assert_eq!(heard, Ok(()));
            assert!(all(hear(&mut pair)).contains(&Frame::Closed { position: 1 }));
            continue;
        }
        assert_eq!(heard, broke(ProtocolError::StateLost), "{position}");
        assert_eq!(reason(pair.server()), Some(EndReason::StateLost));
        let end = end(&mut pair).expect("because the peer is told");
        assert_eq!(end.code, EndCode::StateLost);
        assert_eq!(&end.reason[..], b"CLOSE: positions contradict each other");
    }
}

/// Kills `closed_may_state_more`.
#[test]
fn who_has_closed_takes_nothing_over_any_more() {
    let later: [fn(u64) -> Frame; 2] = [
        |position| Frame::Ack { position },
        |position| Frame::End(End::new(EndCode::Done, Some(position)).into()),
    ];
    for frame in later {
        let (mut pair, _) = half_acknowledged();
        say(&mut pair, &[closing(1)]).expect("because it is true");
        let _ = say(&mut pair, &[frame(2)]);
        assert_eq!(reason(pair.server()), Some(EndReason::StateLost));
        let (mut pair, _) = half_acknowledged();
        say(&mut pair, &[closing(1)]).expect("because it is true");
        assert_eq!(say(&mut pair, &[frame(1)]), Ok(()));
        assert_ne!(reason(pair.server()), Some(EndReason::StateLost));
    }
}

/// Kills `final_position_below_close`. CLOSED and END of an end that has closed state the F of its CLOSE.
#[test]
fn who_has_closed_takes_over_no_less_than_it_said_either() {
    let (mut pair, _) = half_acknowledged();
    say(&mut pair, &[closing(2)]).expect("because it is true");
    say(&mut pair, &[Frame::End(End::new(EndCode::Done, Some(1)).into())]).expect("because END is never answered");
    assert_eq!(reason(pair.server()), Some(EndReason::StateLost));
}

/// Kills `end_position_ignored`.
#[test]
fn the_last_position_of_a_peer_is_judged_like_any_other() {
    for code in [EndCode::Done, EndCode::ProtocolError, EndCode::Aborted] {
        for (position, believed) in [(0, false), (1, true), (2, true), (3, false)] {
            let (mut pair, stream) = half_acknowledged();
            say(&mut pair, &[Frame::End(End::new(code, Some(position)).into())])
                .expect("because END is never answered");
            let Some(Event::Ended(ended)) = events(pair.server()).pop() else {
                panic!("END ends the session");
            };
            assert_eq!(ended.reason != EndReason::StateLost, believed, "{code:?} {position}");
            let fate = ended.fates.streams.iter().find(|fate| fate.stream == stream);
            let unknown = fate.is_some_and(|fate| fate.unknown.messages == 1);
            assert_eq!(unknown, !believed, "{code:?} {position}: {fate:?}");
            assert!(hear(&mut pair).is_empty(), "nothing is said to it");
        }
    }
    // In what is no word about the end it is information.
    let (mut pair, _) = half_acknowledged();
    say(&mut pair, &[Frame::End(End::new(EndCode::StateLost, Some(99)).into())])
        .expect("because END is never answered");
    assert_eq!(reason(pair.server()), Some(EndReason::StateLost));
}

#[test]
fn an_answer_to_close_that_states_what_cannot_be_is_not_believed() {
    for (position, believed) in [(0, false), (1, true), (3, true), (4, false)] {
        let (mut pair, _) = half_acknowledged();
        let now = pair.now;
        pair.server()
            .close(now, 1, Bytes::new())
            .expect("because the code fits");
        hear(&mut pair);
        let heard = say(&mut pair, &[Frame::Closed { position }]);
        assert_eq!(heard.is_ok(), believed, "{position}");
        assert_eq!(reason(pair.server()) == Some(EndReason::StateLost), !believed);
    }
}

/// Kills `verdict_believed`.
#[test]
fn a_verdict_that_states_what_was_never_sent_is_not_believed() {
    for (position, believed) in [(1, true), (99, false)] {
        let mut pair = dialled();
        let now = pair.now;
        pair.client
            .open(now, StreamOptions::default())
            .expect("because there is room");
        let epoch = newest(&pair).0;
        assert!(pair.client.poll_transmit(now, epoch, &mut Vec::new()));
        pair.cut();
        pair.server().ledger.fast_forward(0, position);
        pair.server().abort(now);
        pair.settle_registry();
        // Two refusals in the clear, then the question inside a full handshake.
        (0..3).for_each(|_| pair.redial());
        let expected = if believed {
            EndReason::Expired
        } else {
            EndReason::StateLost
        };
        assert_eq!(reason(&mut pair.client), Some(expected), "{position}");
    }
}

/// A server that misses the frame at 1 of a planned swap, holds that at 2, and has said `RESYNC 1`.
fn asking() -> Pair {
    let mut pair = Pair::new();
    let (_, late, old) = swap_with_a_gap(&mut pair);
    drop(late);
    say(&mut pair, &[data(1, 20)]).expect("because a gap is open");
    let now = pair.now;
    pair.server().detach(now, old.1, Cause::Network);
    assert!(all(hear(&mut pair)).contains(&Frame::Resync { position: 1 }));
    pair
}

/// Kills `resync_answer_unchecked` and `resync_tail_unchecked`.
// PROTOCOL R10.16
#[test]
fn the_answer_to_a_resync_is_what_was_asked_for() {
    use ProtocolError::{ResyncAnswer, StateLost};
    let from = |position| Frame::From { position };
    let cases = [
        (alloc::vec![from(1), data(1, 10), from(3), data(1, 30)], Ok(())),
        // What the peer had sent before it read RESYNC.
        (alloc::vec![data(1, 30), from(1), data(1, 10), from(4)], Ok(())),
        (alloc::vec![from(2), data(1, 10)], broke(StateLost)),
        (alloc::vec![from(0), opening(1, 16_000)], broke(ResyncAnswer)),
        (alloc::vec![from(1), from(3)], broke(StateLost)),
        (alloc::vec![from(1), from(1)], broke(ResyncAnswer)),
        (alloc::vec![from(1), data(1, 10), data(1, 20)], broke(ResyncAnswer)),
        (alloc::vec![from(1), data(1, 10), from(2)], broke(ResyncAnswer)),
        (alloc::vec![from(1), data(1, 10), from(4)], broke(StateLost)),
        (
            alloc::vec![from(1), data(1, 10), from(3), from(1)],
            broke(ProtocolError::Misplaced),
        ),
    ];
    for (frames, expected) in cases {
        let mut pair = asking();
        assert_eq!(say(&mut pair, &frames), expected, "{frames:?}");
        let lost = reason(pair.server()) == Some(EndReason::StateLost);
        assert_eq!(lost, expected == broke(StateLost), "{frames:?}");
        if expected.is_ok() {
            let now = pair.now;
            pair.server().accept(now).expect("because it was opened");
            let read = payload(pair.server(), now, StreamId(1)).len();
            assert_eq!(read, 10 + 20 + 30 * usize::from(payloads(&frames).contains(&30)));
        }
    }
}

/// Where nothing lies between what was asked for and what goes on, the second FROM may be left out.
#[test]
fn an_answer_to_a_resync_may_run_straight_on() {
    for from_too in [false, true] {
        let mut pair = Pair::new();
        let (_, _, old) = swap_with_a_gap(&mut pair);
        let now = pair.now;
        pair.server().detach(now, old.1, Cause::Network);
        hear(&mut pair);
        let mut frames = alloc::vec![Frame::From { position: 1 }, data(1, 10)];
        frames.extend(from_too.then_some(Frame::From { position: 2 }));
        frames.push(data(1, 20));
        assert_eq!(say(&mut pair, &frames), Ok(()));
        assert_eq!(pair.server().inspect().expected, 3);
    }
}

/// Kills `from_anywhere`.
#[test]
fn a_later_from_neither_goes_back_nor_leaves_anything_out() {
    let from = |position| Frame::From { position };
    // The frame at 1 is still to come on the old connection, those above 2 on none.
    let mut pair = Pair::new();
    swap_with_a_gap(&mut pair);
    assert_eq!(say(&mut pair, &[from(4), data(1, 1)]), broke(ProtocolError::Gap));
    let mut pair = Pair::new();
    swap_with_a_gap(&mut pair);
    assert_eq!(say(&mut pair, &[from(1), data(1, 1)]), broke(ProtocolError::Misplaced));
    let mut pair = dialled();
    assert_eq!(say(&mut pair, &[from(1), data(1, 1)]), broke(ProtocolError::StateLost));
}

/// What the honest end answers to a RESYNC is what the other demands: over all cuts of what was under way.
#[test]
fn our_own_answer_to_a_resync_is_accepted() {
    for sent in 0..6usize {
        for more in 0..3usize {
            let mut pair = Pair::new();
            let (stream, _, old) = swap_with_a_gap(&mut pair);
            let now = pair.now;
            let send = |pair: &mut Pair, len: usize| {
                pair.client
                    .stream(stream)
                    .send(now, Bytes::from(alloc::vec![1; len]))
                    .expect("because there is room");
            };
            (0..sent).for_each(|n| send(&mut pair, 15_000 + n));
            pair.settle();
            (0..more).for_each(|n| send(&mut pair, 20_000 + n));
            cut_old(&mut pair, old);
            pair.sleep(Duration::from_millis(25));
            pair.settle();
            let (now, total) = (pair.now, 5 + (0..sent).map(|n| 15_000 + n).sum::<usize>());
            pair.server().accept(now).expect("because it was opened");
            let read = payload(pair.server(), now, stream).len();
            assert_eq!(read, total + (0..more).map(|n| 20_000 + n).sum::<usize>());
        }
    }
}

/// Kills `bad_resume_counts`.
#[test]
fn an_authentic_resume_that_is_wrong_ends_its_connection_and_uses_nothing_up() {
    let bad = [BadResume::ZeroPoint, BadResume::Claim(2), BadResume::Claim(255)];
    for (bad, far) in bad.into_iter().flat_map(|bad| [(bad, false), (bad, true)]) {
        let mut pair = dialled();
        pair.cut();
        let now = pair.now;
        let before = pair.server().inspect();
        let ticket = pair.client.identity.ticket.as_ref().expect("because it is established");
        let counter = if far { u64::MAX } else { ticket.counter + 1 };
        let packet = resume_packet(&ticket.secret, ticket.id, counter, bad);
        for _ in 0..5 {
            let connection = pair.registry.connection_accepted(now, Carrier::ordered());
            let Route::Resume { incoming, .. } =
                pair.registry.first_packet(now, connection, BytesMut::from(&packet[..]))
            else {
                panic!("not a resume");
            };
            let rejection = pair.server().adopt(now, incoming).expect_err("because it is wrong");
            assert_eq!(rejection.packet, None, "{bad:?}: the connection ends, and no more");
            assert_eq!(pair.server().inspect(), before, "{bad:?}");
        }
        pair.dial();
        assert_eq!(
            pair.server().state(),
            SessionState::Attached,
            "{bad:?} locks nobody out"
        );
    }
}

/// Kills `refused_is_counted`.
#[test]
fn a_frame_that_is_refused_is_not_stated_as_taken() {
    let mut pair = dialled();
    say(&mut pair, &[opening(1, 1_000)]).expect("because it is allowed");
    assert!(say(&mut pair, &[data(1, 10), data(1, 1_001)]).is_err());
    let end = end(&mut pair).expect("because the peer is told");
    assert_eq!((end.code, end.position), (EndCode::ProtocolError, Some(2)));
}

/// Kills `end_without_words`.
// PROTOCOL R4.3
#[test]
fn who_broke_the_protocol_is_told_which_rule_and_its_host_can_read_it() {
    let words = |text: &'static str| Bytes::from_static(text.as_bytes());
    let cases = [
        (alloc::vec![0x60], "frame: unknown frame type"),
        (
            alloc::vec![0x51, 1, 5, 2, 3, b'l', b'l', b'o'],
            "PART: not the next part of its frame",
        ),
        (alloc::vec![], "packet: malformed frame"),
        (alloc::vec![0x0a], "ACK: malformed frame"),
        (
            plaintext(&[Frame::Ack { position: 1 }]),
            "ACK: acknowledged what was never sent",
        ),
        (
            plaintext(&[Frame::Closed { position: 0 }]),
            "CLOSED: frame out of place",
        ),
        (
            plaintext(&[data(1, 16_385)]),
            "DATA: larger than the stream's fragment size",
        ),
        (
            plaintext(&[data(3, 1)]),
            "DATA: stream of the wrong parity, reused, never opened, or beyond max_streams",
        ),
    ];
    for (said, text) in cases {
        let mut pair = dialled();
        let (ours, theirs) = newest(&pair);
        let now = pair.now;
        pair.client
            .open(now, StreamOptions::default())
            .expect("because there is room");
        pair.settle();
        let packet = seal(&mut pair.client, ours, &said);
        let heard = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
        assert!(heard.is_err(), "{text}");
        let found = EndReason::ProtocolError {
            reason: words(text),
            by: Closer::Local,
        };
        assert_eq!(reason(pair.server()), Some(found));
        let mut answer = Vec::new();
        assert!(pair.server().poll_transmit(now, theirs, &mut answer), "{text}");
        pair.client
            .handle_input(now, ours, BytesMut::from(&answer[..]))
            .expect("because END is no fault");
        let told = EndReason::ProtocolError {
            reason: words(text),
            by: Closer::Peer,
        };
        assert_eq!(reason(&mut pair.client), Some(told));
    }
}

#[test]
fn who_has_proven_nothing_is_told_nothing() {
    let mut pair = dialled();
    let (_, theirs) = newest(&pair);
    let now = pair.now;
    for junk in [&[7; 40][..], &[0x50, 1], &[]] {
        let mut pair = dialled();
        let heard = pair.server().handle_input(now, theirs, BytesMut::from(junk));
        assert!(heard.is_err());
        assert!(!pair.server().poll_transmit(now, theirs, &mut Vec::new()));
        assert_eq!(pair.server().state(), SessionState::Detached, "the session lives on");
    }
    // A candidate whose first packet does not open.
    pair.cut();
    let (_, incoming) = resume(&mut pair);
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    assert!(pair.server().poll_transmit(now, theirs, &mut Vec::new()), "RESUMED");
    let heard = pair.server().handle_input(now, theirs, BytesMut::from(&[7; 40][..]));
    assert_eq!(heard, Err(ConnectionError::Forged));
    assert!(!pair.server().poll_transmit(now, theirs, &mut Vec::new()));
}

/// Fills the server's outbox towards a peer with these limits that acknowledges nothing; what is committed then.
fn committed(limit: usize, packet: u64, fragment: usize, window: u64, message: usize) -> usize {
    let mut pair = Pair::with(|client, server| {
        (client.stream_window, client.session_window) = (window, window);
        server.outbox_limit = limit;
    });
    pair.dial();
    let now = pair.now;
    let peer = pair.server().identity.peer.as_mut().expect("because it is established");
    peer.parameters.packet_limit = packet;
    let mut round = 0;
    while round < 200 {
        round += 1;
        let options = StreamOptions {
            fragment_size: Some(fragment),
            ..StreamOptions::default()
        };
        let Ok(stream) = pair.server().open(now, options) else {
            break;
        };
        while pair
            .server()
            .stream(stream)
            .send(now, Bytes::from(alloc::vec![1; message]))
            .is_ok()
        {}
        let _ = pair.server().stream(stream).finish(now);
        hear(&mut pair);
    }
    let inspection = pair.server().inspect();
    assert!(
        inspection.committed_bytes <= pair.server().stats().outbox_bytes,
        "less is counted than is there"
    );
    inspection.committed_bytes
}

/// Kills `pieces_unbounded`.
#[test]
fn messages_cut_to_fit_the_peers_packets_are_charged_for_every_piece() {
    let limit = 1 << 20;
    let held = committed(limit, 1_200, 64_000, 1 << 24, 60_000);
    assert!(held <= limit, "{held} of {limit}");
    assert!(held > limit / 2, "it was filled");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_outbox_keeps_to_its_limit_whatever_the_peer_takes(
        limit in 2_048..200_000usize,
        packet in 1_200..65_535u64,
        fragment in 1_000..64_000usize,
        window in prop_oneof![256..2_000u64, 2_000..2_000_000u64],
        message in prop_oneof![0..300usize, 300..100_000usize],
    ) {
        let held = committed(limit, packet, fragment, window, message);
        prop_assert!(held <= limit, "{held} of {limit}");
    }

    #[test]
    fn a_swap_with_a_gap_never_overruns_the_inbox(
        limit in 65_536..200_000usize,
        fragment in 1_000..64_000usize,
        message in 200..60_000usize,
    ) {
        let mut pair = Pair::with(|client, server| {
            server.inbox_limit = limit;
            client.fragment_size = fragment;
        });
        let (stream, late, old) = swap_with_a_gap(&mut pair);
        let (now, mut sent) = (pair.now, 5);
        while pair.client.stream(stream).send(now, Bytes::from(alloc::vec![1; message])).is_ok() {
            sent += message;
        }
        pair.client.close(now, 1, Bytes::from(alloc::vec![b'x'; 1_024])).expect("because the code fits");
        pair.settle();
        prop_assert!(pair.server().stats().inbox_bytes <= limit);
        pair.server().handle_input(now, old.1, BytesMut::from(&late[..])).expect("because it is honest");
        pair.server().accept(now).expect("because it was opened");
        let mut read = 0;
        for _ in 0..300 {
            let now = pair.now;
            read += payload(pair.server(), now, stream).len();
            pair.settle();
            pair.sleep(Duration::from_millis(25));
            pair.settle();
        }
        prop_assert_eq!(read, sent);
    }
}
