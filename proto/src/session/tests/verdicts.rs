//! What a client that asks in a full handshake hears of the session it had: no more than is true.

use super::*;
use crate::accept::SessionCommand;
use crate::event::Ended;
use crate::wire::FrameWriter;
use crate::wire::frame::{Close, End, EndCode, Frame, Verdict};

/// A session whose server took a stream and a message over that the client has no word of, and sent a stream and a
/// message of which it has the client's word for the stream only.
fn half_known() -> (Pair, StreamId) {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let (ours, theirs) = newest(&pair);
    let message = Bytes::from_static(b"perhaps");
    let stream = queue(&mut pair.client, now, message.clone());
    queue(pair.server(), now, message);
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, &mut pair.client, ours, server, theirs);
    let mut lost = Vec::new();
    while pair.server().poll_transmit(now, theirs, &mut lost) {}
    say(&mut pair, Frame::Ack { position: 1 });
    let (server, client) = (pair.server().inspect(), pair.client.inspect());
    assert_eq!((server.expected, server.acked, server.next), (2, 1, 2));
    assert_eq!((client.acked, client.next), (0, 2));
    (pair, stream)
}

// PROTOCOL R4.14
#[test]
fn a_handshake_is_not_ended_by_what_only_a_session_can_hear() {
    for (code, is_refusal) in [
        (EndCode::Done, false),
        (EndCode::StateLost, false),
        (EndCode::ProtocolError, true),
        (EndCode::Unauthorized, true),
        (EndCode::RefreshCredentials, true),
        (EndCode::Busy, true),
        (EndCode::RetryLater, true),
        (EndCode::Aborted, true),
    ] {
        let mut plaintext = Vec::new();
        let mut writer = FrameWriter::new(&mut plaintext);
        writer.push(&Frame::End(End::new(code, None).into()));
        writer.finish();
        let read = identity::proving::read_answer(BytesMut::from(&plaintext[..]), false);
        assert_eq!(read.is_ok(), is_refusal, "{code:?}");
    }
}

fn newest(pair: &Pair) -> (Epoch, Epoch) {
    let (ours, theirs) = *pair.links.last().expect("because dialled");
    (ours, theirs.expect("because it is attached"))
}

/// The client says a frame that its machine knows nothing of.
fn say(pair: &mut Pair, frame: Frame) {
    let (ours, theirs) = newest(pair);
    let mut plaintext = Vec::new();
    let mut writer = FrameWriter::new(&mut plaintext);
    writer.push(&frame);
    writer.finish();
    let packet = seal(&mut pair.client, ours, &plaintext);
    let now = pair.now;
    let _may_end_the_session = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
}

/// An attach that states this, and is confirmed.
fn resume_stating(pair: &mut Pair, stated: u64) {
    pair.cut();
    let acked = pair.client.ledger.acked();
    pair.client.ledger.fast_forward(acked, stated);
    pair.now = pair.client.wanted_connection().expect("because it is lost").not_before;
    let now = pair.now;
    let (ours, incoming) = swaps::resume(pair);
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    pair.settle_registry();
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, server, theirs, &mut pair.client, ours);
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(now, ours, &mut packet));
    let _ends_the_session = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
    pair.links.push((ours, Some(theirs)));
}

/// What the server says last is lost, and the client asks in a full handshake, stating `stated`. The verdict, if it
/// is one, and what the client makes of it.
fn ask(pair: &mut Pair, stated: u64) -> (Option<Verdict>, Option<Ended>) {
    for (ours, _) in core::mem::take(&mut pair.links) {
        pair.client.detach(pair.now, ours, Cause::Network);
    }
    let acked = pair.client.ledger.acked();
    pair.client.ledger.fast_forward(acked, stated);
    pair.client.reconnecting.on_refused(true);
    pair.client.reconnecting.on_refused(true);
    pair.now = pair.client.wanted_connection().expect("because it is lost").not_before;
    let now = pair.now;
    let epoch = pair.client.attach(now, Carrier::ordered()).expect("because it is due");
    let connection = pair.registry.connection_accepted(now, Carrier::ordered());
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(now, epoch, &mut packet));
    let route = pair.registry.first_packet(now, connection, BytesMut::from(&packet[..]));
    let Route::Handshake(mut incoming) = route else {
        panic!("not a handshake");
    };
    packet.clear();
    incoming.poll_transmit(&mut packet);
    pair.client
        .handle_input(now, epoch, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    packet.clear();
    assert!(pair.client.poll_transmit(now, epoch, &mut packet));
    incoming
        .handle_input(now, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    // A host that holds the session elsewhere sees which it is.
    let asked = incoming.request().and_then(|request| request.predecessor);
    assert_eq!(asked, pair.client.id());
    packet.clear();
    let answer = match pair.registry.admit(now, incoming) {
        Admission::New { mut session, epoch } => {
            assert!(session.poll_transmit(now, epoch, &mut packet));
            packet
        }
        Admission::Lookup { .. } => panic!("nothing is looked up"),
        Admission::Reject(rejection) => rejection.packet.expect("because it is sealed"),
        Admission::Resume { incoming, .. } => match pair.server().adopt(now, incoming) {
            Ok(epoch) => {
                pair.settle_registry();
                assert!(pair.server().poll_transmit(now, epoch, &mut packet));
                packet
            }
            Err(rejection) => rejection.packet.expect("because it is sealed"),
        },
    };
    let verdict = verdict(&mut pair.client, &answer);
    pair.client
        .handle_input(now, epoch, BytesMut::from(&answer[..]))
        .expect("because it is honest");
    let ended = events(&mut pair.client).into_iter().find_map(|event| match event {
        Event::Ended(ended) => Some(ended),
        _ => None,
    });
    (verdict, ended)
}

/// What FINAL says, if it is FINAL. The client's keys are left as they were.
fn verdict(client: &mut Session, packet: &[u8]) -> Option<Verdict> {
    let candidate = client.connections.candidate.as_ref().expect("because it asked");
    let connections::Stage::Proven { established, .. } = &candidate.stage else {
        panic!("not in a handshake");
    };
    let opened = established.keys.opener.peek(BytesMut::from(&packet[1..]));
    let opened = opened.expect("because both have the keys");
    match crate::wire::frames(opened.freeze()).next() {
        Some(Ok(Frame::Final(answer))) => answer.verdict,
        _ => None,
    }
}

fn unknown(ended: &Ended, stream: StreamId) -> bool {
    let fate = ended.fates.streams.iter().find(|fate| fate.stream == stream);
    fate.is_some_and(|fate| fate.unknown.messages == 1)
}

fn assert_state_lost((verdict, ended): &(Option<Verdict>, Option<Ended>), stream: StreamId, how: &str) {
    assert_eq!(*verdict, Some(Verdict::StateLost { position: 2 }), "{how}");
    let ended = ended.as_ref().expect("because nothing else follows");
    assert_eq!(ended.reason, EndReason::StateLost, "{how}");
    let acknowledged = how.contains("RESUMED");
    assert_eq!(
        unknown(ended, stream),
        !acknowledged,
        "{how}: what was doubtful stays so"
    );
}

/// Kills `lost_state_is_final`.
#[test]
fn what_ended_as_state_lost_is_not_final_for_who_missed_end() {
    let close = Frame::Close(Close {
        code: 1,
        reason: Bytes::new(),
        position: 99,
    });
    let ends = [
        None,
        Some(close),
        // The client's own word for it, and an END that cannot be.
        Some(Frame::End(End::new(EndCode::StateLost, Some(1)).into())),
        Some(Frame::End(End::new(EndCode::Aborted, Some(99)).into())),
    ];
    for frame in ends {
        for told in [false, true] {
            let (mut pair, stream) = half_known();
            let how = alloc::format!("{frame:?}, registry told: {told}");
            match &frame {
                Some(frame) => say(&mut pair, frame.clone()),
                None => resume_stating(&mut pair, 99),
            }
            let how = match &frame {
                Some(_) => how,
                None => how + ", RESUMED acknowledged it",
            };
            assert!(pair.server().is_ended(), "{how}");
            if told {
                pair.settle_registry();
            }
            let heard = ask(&mut pair, 1);
            assert_state_lost(&heard, stream, &how);
        }
    }
}

/// What else may end a session at its server, with END lost: the position is final then, whoever is to blame, for
/// nothing is taken over any more.
#[test]
fn every_other_end_leaves_a_final_position() {
    type Ending = (&'static str, fn(&mut Pair));
    let ends: [Ending; 5] = [
        ("aborted", |pair| {
            let now = pair.now;
            pair.server().abort(now);
        }),
        ("replaced", |pair| {
            let now = pair.now;
            let _ = pair.server().handle_command(now, SessionCommand::Replace);
        }),
        ("a protocol error", |pair| say(pair, Frame::Ack { position: 99 })),
        ("told that it was one", |pair| {
            say(pair, Frame::End(End::new(EndCode::ProtocolError, Some(1)).into()));
        }),
        ("told that it is aborted", |pair| {
            say(pair, Frame::End(End::new(EndCode::Aborted, Some(1)).into()));
        }),
    ];
    for (how, end) in ends {
        for told in [false, true] {
            let (mut pair, stream) = half_known();
            end(&mut pair);
            if told {
                pair.settle_registry();
            }
            let (verdict, ended) = ask(&mut pair, 1);
            let position = 2;
            let (heard, why) = match how {
                "replaced" => (Verdict::Replaced { position }, EndReason::Replaced),
                _ => (Verdict::Expired { position }, EndReason::Expired),
            };
            assert_eq!(verdict, Some(heard), "{how}, told: {told}");
            let ended = ended.expect("because it is over");
            assert_eq!(ended.reason, why, "{how}, told: {told}");
            assert!(!unknown(&ended, stream), "{how}, told: {told}: it was delivered");
        }
    }
}

/// Kills `predecessor_believed`.
#[test]
fn a_predecessor_that_states_what_cannot_be_hears_so_in_the_verdict() {
    for (stated, believed) in [(0, false), (1, true), (2, true), (3, false)] {
        let (mut pair, stream) = half_known();
        let heard = ask(&mut pair, stated);
        if believed {
            assert_eq!(heard.0, Some(Verdict::Resumed { position: 2 }), "{stated}");
            continue;
        }
        assert_state_lost(&heard, stream, &alloc::format!("held, {stated}"));
        // It is over at both ends, at once, and stays what it was.
        assert_eq!(reason(pair.server()), Some(EndReason::StateLost), "{stated}");
        pair.settle_registry();
        assert_eq!(pair.registry.session_count(), 0, "{stated}");
    }
}

/// Kills `entombed_position_unjudged`.
#[test]
fn a_predecessor_that_is_over_is_judged_as_it_would_have_been() {
    for (stated, believed) in [(0, false), (1, true), (2, true), (3, false)] {
        for told in [false, true] {
            let (mut pair, stream) = half_known();
            let now = pair.now;
            pair.server().abort(now);
            if told {
                pair.settle_registry();
            }
            let heard = ask(&mut pair, stated);
            if believed {
                assert_eq!(
                    heard.0,
                    Some(Verdict::Expired { position: 2 }),
                    "{stated}, told: {told}"
                );
            } else {
                assert_state_lost(&heard, stream, &alloc::format!("{stated}, told: {told}"));
            }
        }
    }
    // A client that closed takes nothing over any more.
    for (stated, believed) in [(1, true), (2, false)] {
        let (mut pair, _) = half_known();
        let now = pair.now;
        say(
            &mut pair,
            Frame::Close(Close {
                code: 1,
                reason: Bytes::new(),
                position: 1,
            }),
        );
        pair.server().abort(now);
        pair.settle_registry();
        let (verdict, _) = ask(&mut pair, stated);
        assert_eq!(
            matches!(verdict, Some(Verdict::Expired { .. })),
            believed,
            "{verdict:?}"
        );
    }
}

/// Kills `entombed_copy_believed`.
#[test]
fn a_copy_behind_another_learns_nothing_from_a_tombstone_either() {
    for (ended, told) in [(false, false), (true, false), (true, true)] {
        let (mut pair, stream) = half_known();
        pair.server()
            .identity
            .ticket
            .as_mut()
            .expect("because it is held")
            .counter = 9;
        let now = pair.now;
        if ended {
            pair.server().abort(now);
        }
        if told {
            pair.settle_registry();
        }
        let (verdict, ended) = ask(&mut pair, 1);
        assert_eq!(verdict, Some(Verdict::Superseded));
        let ended = ended.expect("because it is over");
        assert_eq!(ended.reason, EndReason::Superseded);
        assert!(unknown(&ended, stream));
    }
}

fn reason(session: &mut Session) -> Option<EndReason> {
    match events(session).pop() {
        Some(Event::Ended(ended)) => Some(ended.reason),
        _ => None,
    }
}

/// It would be over for good, and with what it had to say, for having asked a moment too early.
#[test]
fn a_session_that_was_never_confirmed_is_not_superseded_while_its_end_is_under_way() {
    let mut pair = Pair::new();
    pair.confirm_lost = true;
    pair.dial();
    let now = pair.now;
    pair.server().abort(now);
    assert_eq!(ask(&mut pair, 0), (None, None), "END RetryLater");
    assert!(pair.client.wanted_connection().is_some());
    pair.settle_registry();
    let heard = ask(&mut pair, 0);
    assert!(matches!(heard, (Some(Verdict::Unknown { .. }), None)), "{heard:?}");
    assert_eq!(pair.client.state(), SessionState::Attached, "it begins again");
}

/// The client may have read RESUMED, and so resume, or ask, with a secret that it never confirmed.
#[test]
fn a_tombstone_knows_the_secret_of_a_candidate_as_well() {
    let mut pair = Pair::new();
    pair.dial();
    pair.settle();
    pair.cut();
    pair.now = pair.client.wanted_connection().expect("because it is lost").not_before;
    let now = pair.now;
    let (_, incoming) = swaps::resume(&mut pair);
    pair.server().adopt(now, incoming).expect("because the proof is good");
    pair.server().abort(now);
    let tombstone = pair.server().tombstone().expect("because it was confirmed once");
    assert_eq!(tombstone.verifiers.len(), 2);
}

/// What arrives behind one's own CLOSE is counted, and not taken over.
#[test]
fn the_position_in_a_tombstone_is_the_one_that_close_froze() {
    let mut pair = Pair::new();
    pair.dial();
    pair.settle();
    let now = pair.now;
    pair.server().close(now, 0, Bytes::new()).expect("because it fits");
    let (_, theirs) = newest(&pair);
    let mut lost = Vec::new();
    while pair.server().poll_transmit(now, theirs, &mut lost) {}
    let opening = Frame::Open(crate::wire::frame::Open {
        stream: StreamId(1),
        priority: 0,
        fragment_size: 1_000,
        label: Bytes::new(),
    });
    say(&mut pair, opening);
    let (stated, expected) = (pair.server().ledger.stated(), pair.server().ledger.expected());
    assert!(stated < expected, "{stated} {expected}");
    pair.server().abort(now);
    let tombstone = pair.server().tombstone().expect("because it was confirmed once");
    assert_eq!(tombstone.position, stated);
}

/// The server's host says its last words and closes while the client is away: for an ordinary outage they wait, and the client learns code and
/// reason also when they are gone.
#[test]
fn a_client_that_was_away_hears_what_was_said_last() {
    for (away, reaches) in [(12, true), (59, true), (61, false), (600, false)] {
        let mut pair = Pair::new();
        pair.dial();
        let now = pair.now;
        let stream = pair
            .server()
            .open(now, StreamOptions::default())
            .expect("because there is room");
        pair.cut();
        let said = pair.server().stream(stream).send(now, Bytes::from_static(b"good bye"));
        said.expect("because there is room");
        let closed = pair.server().close(now, 7, Bytes::from_static(b"shift is over"));
        closed.expect("because the code fits");
        let until = now + Duration::from_secs(away);
        while let Some(due) = pair.server().poll_timeout().filter(|due| *due <= until) {
            pair.now = due;
            pair.server().handle_timeout(due);
            pair.settle_registry();
        }
        pair.now = until;
        pair.client.reconnect().at_once(until);
        if reaches {
            pair.dial();
            pair.settle();
            assert!(pair.client.accept(until).is_some(), "away for {away} s");
            assert_eq!(payload(&mut pair.client, until, stream), b"good bye");
        } else {
            while !pair.client.is_ended() {
                pair.redial();
            }
        }
        let ended = events(&mut pair.client).pop();
        let Some(Event::Ended(ended)) = ended else {
            panic!("away for {away} s: {ended:?}");
        };
        let reason = Bytes::from_static(b"shift is over");
        let by = Closer::Peer;
        assert_eq!(
            ended.reason,
            EndReason::Closed { code: 7, reason, by },
            "away for {away} s"
        );
    }
}

/// Who is displaced by one of its own name hears so, attached or not.
#[test]
fn who_was_replaced_is_told_so() {
    for attached in [false, true] {
        let mut pair = Pair::new();
        pair.dial();
        if !attached {
            pair.cut();
        }
        let now = pair.now;
        let told = pair.server().handle_command(now, SessionCommand::Replace);
        told.expect("because it has no code");
        if attached {
            pair.settle();
        }
        while !pair.client.is_ended() {
            pair.redial();
        }
        assert_eq!(
            pair.client.end_reason(),
            Some(&EndReason::Replaced),
            "attached: {attached}"
        );
    }
}
