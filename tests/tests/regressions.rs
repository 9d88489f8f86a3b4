//! What the closest peers get wrong, each as a test by name.

use bytes::{Bytes, BytesMut};
use unbroken_proto::error::{ConnectionError, ProtocolError};
use unbroken_proto::event::{EndReason, Swap};
use unbroken_proto::reconnect::Backoff;
use unbroken_proto::session::SessionState;
use unbroken_proto::time::Duration;
use unbroken_proto::wire::frame::{Data, Frame};
use unbroken_proto::wire::{FrameWriter, framing};
use unbroken_proto::{Event, SessionConfig, Side, StreamId};
use unbroken_tests::hostile::seal;
use unbroken_tests::pair::{Cut, Notice, Pair, Plan, Setup};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn pair(config: SessionConfig) -> Pair {
    Pair::new(&Setup {
        client: config.clone(),
        server: config,
        ..Setup::default()
    })
}

/// The client, which has proven itself, says `frames` on its first connection.
fn say(pair: &mut Pair, frames: &[Frame]) -> Result<(), ConnectionError> {
    let mut plaintext = Vec::new();
    let mut writer = FrameWriter::new(&mut plaintext);
    frames.iter().for_each(|frame| writer.push(frame));
    writer.finish();
    let now = pair.instant();
    let epoch = pair.wires[0].was;
    let packet = seal(&mut pair.client, epoch, &plaintext).expect("because the connection is current");
    let epoch = pair.wires[0].server_epoch().expect("because it is bound");
    let server = pair.server.as_mut().expect("because it is established");
    let result = server.handle_input(now, epoch, BytesMut::from(packet.as_slice()));
    pair.read_events();
    result
}

fn data(stream: StreamId, payload: &'static [u8]) -> Frame {
    Frame::Data(Data {
        stream,
        payload: Bytes::from_static(payload),
        message_end: true,
        stream_end: false,
    })
}

fn server_reason(pair: &Pair) -> Option<EndReason> {
    pair.ended[1].as_ref().map(|ended| ended.reason.clone())
}

fn attaches(pair: &Pair, side: Side, kind: Swap) -> usize {
    let is = |event: &Event| matches!(event, Event::Attached { swap, .. } if *swap == kind);
    pair.events
        .iter()
        .filter(|(from, event)| *from == side && is(event))
        .count()
}

#[test]
fn a_gap_in_the_sequence_is_never_delivered() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    let expected = pair.server.as_ref().map_or(0, |server| server.inspect().expected);
    let result = say(
        &mut pair,
        &[Frame::From { position: expected + 1 }, data(stream, b"lost one")],
    );
    assert!(
        matches!(
            result,
            Err(ConnectionError::Protocol(ProtocolError::Gap | ProtocolError::StateLost))
        ),
        "{result:?}"
    );
    assert!(matches!(
        server_reason(&pair),
        Some(EndReason::StateLost | EndReason::ProtocolError { .. })
    ));
    let now = pair.instant();
    let read = pair.server.as_mut().map(|server| server.stream(stream).recv(now));
    assert!(!matches!(read, Some(Ok(Some(_)))), "delivered across a gap: {read:?}");
}

// PROTOCOL R4.9
#[test]
fn a_position_that_was_never_sent_empties_no_buffer() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    assert!(pair.put(Side::Server, stream, 500));
    assert!(pair.transmit(0, Side::Server));
    let next = pair.server.as_ref().map_or(0, |server| server.inspect().next);
    let result = say(&mut pair, &[Frame::Ack { position: next + 1 }]);
    assert_eq!(result, Err(ConnectionError::Protocol(ProtocolError::BadAck)));
    let fates = pair.ended[1]
        .as_ref()
        .map(|ended| ended.fates.clone())
        .unwrap_or_default();
    let fate = fates.streams.iter().find(|fate| fate.stream == stream);
    assert!(
        fate.is_some_and(|fate| fate.delivered.is_zero()),
        "a lie was believed: {fates:?}"
    );
}

// PROTOCOL R7.7
#[test]
fn every_moment_of_a_handshake_and_a_resume_has_a_deadline() {
    let mut pair = pair(SessionConfig::default());
    for round in 0..2 {
        while !pair.dial([None; 2]) {
            let next = pair.next_deadline().expect("because a dial is wanted");
            pair.now = pair.now.max(next);
            pair.timers();
        }
        let wire = pair.wires.len() - 1;
        for _ in 0..6 {
            for side in [Side::Client, Side::Server] {
                assert!(
                    pair.client.poll_timeout().is_some(),
                    "round {round}: the client waits for ever"
                );
                if let Some(server) = &pair.server {
                    assert!(
                        server.poll_timeout().is_some(),
                        "round {round}: the server waits for ever"
                    );
                }
                pair.transmit(wire, side);
                pair.deliver(wire, side);
            }
        }
        assert_eq!(pair.client.state(), SessionState::Attached);
        pair.notice(wire, Side::Client);
        pair.notice(wire, Side::Server);
    }
}

#[test]
fn connections_that_die_at_once_are_not_dialled_in_a_hot_loop() {
    let mut pair = Pair::new(&Setup {
        backoff: Backoff::default(),
        ..Setup::default()
    });
    let end = pair.now + 60 * SECOND;
    let mut dials = 0;
    while pair.now < end {
        if pair.dial([None; 2]) {
            dials += 1;
            pair.transmit(pair.wires.len() - 1, Side::Client);
            pair.notice(pair.wires.len() - 1, Side::Client);
        }
        let next = pair.next_deadline().expect("because it goes on trying");
        pair.now = pair.now.max(next);
        pair.timers();
    }
    assert!((5..40).contains(&dials), "{dials} dials in a minute");
}

#[test]
fn attaches_that_die_at_once_are_not_dialled_in_a_hot_loop() {
    let mut pair = Pair::new(&Setup {
        backoff: Backoff::default(),
        ..Setup::default()
    });
    pair.establish();
    let end = pair.now + 60 * SECOND;
    while pair.now < end {
        pair.pump();
        for wire in 0..pair.wires.len() {
            pair.notice(wire, Side::Client);
            pair.notice(wire, Side::Server);
        }
        let next = pair.next_deadline().expect("because it goes on trying");
        pair.now = pair.now.max(next);
        pair.timers();
    }
    assert!(
        (5..40).contains(&pair.wires.len()),
        "{} attaches in a minute",
        pair.wires.len()
    );
}

// PROTOCOL R7.7
#[test]
fn no_timer_of_an_old_connection_closes_the_new_one() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    // The old connection has a probe under way that nobody will answer.
    pair.wires[0].cut([true; 2]);
    assert!(pair.put(Side::Client, stream, 10));
    pair.transmit(0, Side::Client);
    for _ in 0..1 {
        pair.now = pair.next_deadline().unwrap_or(pair.now).max(pair.now);
        pair.timers();
        pair.transmit(0, Side::Client);
    }
    pair.notice(0, Side::Client);
    pair.notice(0, Side::Server);
    pair.wait(300 * SECOND);
    pair.read_all(Side::Server, &[stream]);
    assert!(pair.ledger.is_settled());
    assert_eq!(
        (pair.wires.len(), attaches(&pair, Side::Client, Swap::Unplanned)),
        (2, 1),
        "{:?}",
        pair.events
    );
}

#[test]
fn throughput_has_no_cliff_over_message_size() {
    for size in [1, 100, 1_000, 16_000, 16_001, 60_000, 200_000] {
        let config = SessionConfig::default()
            .with_outbox_limit(400_000)
            .with_stream_window(300_000);
        let mut pair = pair(config);
        let stream = pair.establish();
        let begin = pair.now;
        let mut sent = 0;
        let total = (size * 3_000).min(2_000_000);
        while sent < total {
            if pair.put(Side::Client, stream, size) {
                sent += size;
                continue;
            }
            let before = pair.now;
            pair.pump();
            pair.read_all(Side::Server, &[stream]);
            pair.pump();
            if pair.now == before && !pair.put(Side::Client, stream, size) {
                // Only a delayed acknowledgement can be missing.
                let next = pair.next_deadline().expect("because something is outstanding");
                pair.now = pair.now.max(next);
                pair.timers();
            } else if pair.now == before {
                sent += size;
            }
        }
        // Each outboxful may cost one delayed acknowledgement, no more.
        let outboxes = (sent + 64 * sent / size.max(1)) as u64 / 400_000 + 2;
        let spent = pair.now - begin;
        assert!(
            spent <= outboxes * 30 * MS,
            "{size} B: {} ms for {outboxes} outboxes",
            spent / MS
        );
    }
}

// PROTOCOL R6.6
#[test]
fn an_admitted_message_is_never_fatal() {
    for outbox in [2_048, 5_000, 70_000, 300_000] {
        for window in [256, 257, 1_064, 16_064, 100_000] {
            for fragment in [1_000, 64_000] {
                let config = SessionConfig::default()
                    .with_outbox_limit(outbox)
                    .with_stream_window(window)
                    .with_session_window(window)
                    .with_fragment_size(fragment);
                largest_arrives(pair(config), outbox);
            }
        }
    }
}

/// The largest message that is admitted goes through.
fn largest_arrives(mut pair: Pair, outbox: usize) {
    let stream = pair.establish();
    pair.wait(SECOND);
    let mut size = outbox;
    while !pair.put(Side::Client, stream, size) {
        size -= 1.max(size / 200);
    }
    assert!(size > outbox / 2, "an outbox of {outbox} takes only {size}");
    let mut rounds = 0;
    while !pair.ledger.is_settled() {
        pair.wait(30 * MS);
        pair.read_all(Side::Server, &[stream]);
        rounds += 1;
        assert!(
            rounds < 20_000 && pair.ended == [None, None],
            "{size} of {outbox}: {:?}",
            pair.ended
        );
    }
}

// PROTOCOL R3.22
#[test]
fn a_forged_packet_is_an_error_and_no_panic() {
    let mut pair = pair(SessionConfig::default());
    pair.establish();
    let now = pair.instant();
    let epoch = pair.wires[0].was;
    let result = pair.client.handle_input(now, epoch, BytesMut::from(&[7u8; 60][..]));
    assert_eq!(result, Err(ConnectionError::Forged));
    assert_eq!(pair.client.state(), SessionState::Detached);
}

#[test]
fn a_length_prefix_is_not_trusted_before_proof() {
    let mut decoder = framing::Decoder::new(framing::MAX_UNPROVEN);
    decoder.extend(&[0xff, 0xff, 1]);
    assert_eq!(decoder.next_packet(), Err(ConnectionError::TooLarge));
}

// PROTOCOL R6.6
#[test]
fn a_full_outbox_pushes_back_and_evicts_nothing() {
    let mut pair = pair(SessionConfig::default().with_outbox_limit(4_096));
    let stream = pair.establish();
    pair.wires[0].cut([true; 2]);
    let mut admitted = 0;
    while pair.put(Side::Client, stream, 100) {
        admitted += 1;
    }
    assert!((20..40).contains(&admitted), "{admitted}");
    assert!(pair.client.stats().outbox_bytes <= 4_096);
    pair.notice(0, Side::Client);
    pair.notice(0, Side::Server);
    pair.wait(SECOND);
    pair.read_all(Side::Server, &[stream]);
    assert!(pair.ledger.is_settled());
    assert!(pair.put(Side::Client, stream, 100), "there is room again");
}

// PROTOCOL R5.5
#[test]
fn what_is_acknowledged_is_held_until_it_is_read() {
    let mut pair = pair(SessionConfig::default().with_stream_window(2_000));
    let stream = pair.establish();
    while pair.put(Side::Client, stream, 300) {}
    pair.wait(10 * SECOND);
    let stats = pair
        .server
        .as_ref()
        .map(unbroken_proto::Session::stats)
        .unwrap_or_default();
    assert!(stats.unread_bytes > 1_000 && stats.unread_bytes <= 2_000, "{stats:?}");
    for _ in 0..2_000 {
        pair.read_all(Side::Server, &[stream]);
        pair.wait(30 * MS);
    }
    assert!(pair.ledger.is_settled(), "{:?}", pair.ledger.unsettled());
}

// PROTOCOL R5.3
#[test]
fn a_lost_acknowledgement_is_said_again() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    pair.wait(SECOND);
    assert!(pair.put(Side::Client, stream, 700));
    while pair.transmit(0, Side::Client) {}
    while pair.deliver(0, Side::Client) {}
    pair.wires[0].cut([true; 2]);
    assert!(pair.client.stats().outbox_bytes > 700);
    pair.notice(0, Side::Client);
    pair.notice(0, Side::Server);
    pair.wait(SECOND);
    assert_eq!(pair.client.stats().outbox_bytes, 0, "the resume says what arrived");
    assert_eq!(
        pair.client.stats().replayed_bytes,
        0,
        "and nothing goes out again for nothing"
    );
}

// PROTOCOL R10.10
#[test]
fn everything_owed_goes_out_at_once_after_an_attach() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    pair.wait(SECOND);
    pair.wires[0].cut([true; 2]);
    // More than goes on a line of which nothing is known would wait for acknowledgements.
    for _ in 0..300 {
        assert!(pair.put(Side::Client, stream, 200));
    }
    while pair.transmit(0, Side::Client) {}
    pair.notice(0, Side::Client);
    pair.notice(0, Side::Server);
    while pair.client.stats().attaches < 2 {
        pair.pump();
        if pair.client.stats().attaches < 2 {
            pair.now = pair.next_deadline().unwrap_or(pair.now).max(pair.now);
            pair.timers();
        }
    }
    pair.pump();
    pair.read_all(Side::Server, &[stream]);
    assert!(
        pair.ledger.is_settled(),
        "without a moment passing: {:?}",
        pair.ledger.unsettled()
    );
}

#[test]
fn eight_hours_of_sleep_are_not_eight_hours_of_silence() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    for _ in 0..3 {
        pair.wait(25 * SECOND);
        // Something is on its way and asks for an answer when both machines fall asleep, …
        for side in [Side::Client, Side::Server] {
            assert!(pair.put(side, stream, 10));
            while pair.transmit(0, side) {}
        }
        pair.now = pair.next_deadline().unwrap_or(pair.now).max(pair.now);
        pair.timers();
        for side in [Side::Client, Side::Server] {
            while pair.transmit(0, side) {}
        }
        // … and they wake late: timers first, then everything else.
        pair.now += 8 * 3_600 * SECOND;
        pair.timers();
        pair.pump();
        pair.wait(SECOND);
        pair.read_all(Side::Client, &[stream]);
        pair.read_all(Side::Server, &[stream]);
        assert!(pair.ledger.is_settled());
    }
    assert_eq!(pair.wires.len(), 1, "{:?}", pair.events);
}

#[test]
fn control_goes_before_bulk() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    pair.wait(SECOND);
    while pair.put(Side::Client, stream, 16_000) {}
    let before = pair.wires[0].log.len();
    // The server asks; the answer is in the very next packet, whatever is queued.
    let plaintext = {
        let mut plaintext = Vec::new();
        let mut writer = FrameWriter::new(&mut plaintext);
        writer.push(&Frame::Ping { id: 9 });
        writer.finish();
        plaintext
    };
    let now = pair.instant();
    let server_epoch = pair.wires[0].server_epoch().expect("because it is bound");
    let server = pair.server.as_mut().expect("because it is established");
    let ping = seal(server, server_epoch, &plaintext).expect("because the connection is current");
    let epoch = pair.wires[0].was;
    assert_eq!(
        pair.client.handle_input(now, epoch, BytesMut::from(ping.as_slice())),
        Ok(())
    );
    assert!(pair.transmit(0, Side::Client));
    let first = pair.wires[0].log[before].1.clone();
    // Type byte, tag, PONG with its id: three bytes more than the same packet without it.
    let mut quiet = self::pair(SessionConfig::default());
    let other = quiet.establish();
    quiet.wait(SECOND);
    while quiet.put(Side::Client, other, 16_000) {}
    let before = quiet.wires[0].log.len();
    assert!(quiet.transmit(0, Side::Client));
    assert!(
        first.len() >= quiet.wires[0].log[before].1.len(),
        "the PONG waits behind the bulk"
    );
}

#[test]
fn attempts_are_counted_as_failures_and_the_count_is_refilled() {
    let backoff = Backoff::default()
        .with_attempts(Some(4))
        .with_stable_after(Duration::from_secs(1));
    let mut pair = Pair::new(&Setup {
        backoff,
        ..Setup::default()
    });
    pair.establish();
    for round in 0..12 {
        pair.wait(30 * SECOND);
        assert_eq!(
            pair.client.state(),
            SessionState::Attached,
            "round {round}: {:?}",
            pair.ended[0]
        );
        let wire = pair.wires.len() - 1;
        pair.notice(wire, Side::Client);
        pair.notice(wire, Side::Server);
    }
    // Without one stable connection in between they run out.
    let mut rounds = 0;
    while pair.ended[0].is_none() {
        pair.pump();
        for wire in 0..pair.wires.len() {
            pair.notice(wire, Side::Client);
        }
        pair.now = pair.next_deadline().unwrap_or(pair.now).max(pair.now);
        pair.timers();
        pair.read_events();
        rounds += 1;
        assert!(rounds < 100, "it goes on for ever");
    }
    assert!(
        matches!(
            pair.ended[0].as_ref().map(|ended| &ended.reason),
            Some(EndReason::GaveUp { .. })
        ),
        "{:?}",
        pair.ended[0]
    );
}

// PROTOCOL R10.3
#[test]
fn the_old_connection_stays_until_the_new_one_has_proven_itself() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    let now = pair.instant();
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    assert!(pair.dial([None; 2]));
    pair.transmit(1, Side::Client);
    pair.deliver(1, Side::Client);
    for side in [Side::Client, Side::Server] {
        assert!(pair.put(side, stream, 30));
        while pair.transmit(0, side) {}
        while pair.deliver(0, side) {}
    }
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    assert!(pair.ledger.is_settled(), "the old connection was dropped too early");
    pair.pump();
    assert_eq!(
        (
            attaches(&pair, Side::Client, Swap::Planned),
            attaches(&pair, Side::Server, Swap::Planned)
        ),
        (1, 1)
    );
}

/// A planned swap that the server answers with `dead`, because its own side is not settled: what it
/// goes on acknowledging on the old connection must not make its statement look like a lie.
// PROTOCOL R10.19
#[test]
fn a_statement_overtaken_by_an_acknowledgement_is_no_contradiction() {
    let mut pair = pair(SessionConfig::default().with_ack_delay(Duration::ZERO));
    let stream = pair.establish();
    pair.wait(SECOND);
    // Something of the server's is unacknowledged, so it cannot swap.
    assert!(pair.put(Side::Server, stream, 10));
    let now = pair.instant();
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    assert!(pair.dial([None; 2]));
    assert!(pair.transmit(1, Side::Client) && pair.deliver(1, Side::Client));
    assert!(pair.transmit(1, Side::Server));
    // After RESUMED was written the old connection brings something, and its acknowledgement.
    assert!(pair.put(Side::Client, stream, 10));
    while pair.transmit(0, Side::Client) {}
    while pair.deliver(0, Side::Client) {}
    while pair.transmit(0, Side::Server) {}
    while pair.deliver(0, Side::Server) {}
    pair.pump();
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    assert_eq!(pair.ended, [None, None]);
    assert!(pair.ledger.is_settled());
}

/// RESUMEs of a planned swap that are refused lead to no full handshake while the connection lives.
// PROTOCOL R10.18
#[test]
fn a_refused_swap_does_not_declare_the_live_connection_dead() {
    let mut pair = pair(SessionConfig::default());
    let stream = pair.establish();
    let now = pair.instant();
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    for _ in 0..5 {
        while !pair.dial([None; 2]) {
            pair.now = pair.next_deadline().unwrap_or(pair.now).max(pair.now);
            pair.timers();
        }
        let wire = pair.wires.len() - 1;
        pair.transmit(wire, Side::Client);
        assert_eq!(pair.wires[wire].log[0].1[0], 4, "a RESUME, not a HELLO");
        pair.wires[wire].cut([true; 2]);
        pair.wires[wire].forge(Side::Server, &[6, 2]);
        pair.deliver(wire, Side::Server);
        pair.notice(wire, Side::Client);
        for side in [Side::Client, Side::Server] {
            assert!(pair.put(side, stream, 5));
            while pair.transmit(0, side) {}
            while pair.deliver(0, side) {}
        }
    }
    pair.wait(60 * SECOND);
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    assert_eq!(pair.ended, [None, None]);
    assert!(pair.ledger.is_settled());
}

/// A client that read FINAL and whose confirmation was lost resumes a session that the server has not
/// shown to its application yet.
#[test]
fn a_provisional_session_that_is_resumed_is_established() {
    let cut = Cut {
        wire: 0,
        up: 140,
        down: usize::MAX,
        notice: Notice::OnlyClient,
    };
    let mut pair = pair(SessionConfig::default());
    let stream = pair.open(Side::Client);
    assert!(pair.put(Side::Client, stream, 10));
    pair.run(
        &Plan {
            cuts: vec![cut],
            late: false,
        },
        |pair| {
            pair.read_all(Side::Server, &[stream]);
            pair.ledger.is_settled()
        },
    );
    let established = pair
        .events
        .iter()
        .filter(|(side, event)| *side == Side::Server && matches!(event, Event::Established { .. }));
    assert_eq!(established.count(), 1, "{:?}", pair.events);
}
