//! Rules that only a peer spelled by hand can show, and that no breach does.

use bytes::Bytes;
use unbroken_proto::session::SessionState;
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::wire::frame::{Data, Frame, Verdict};
use unbroken_proto::{Side, StreamId};
use unbroken_tests::rng::Rng;

use super::answering::{Caller, answer};
use super::first::{Member, ask, offer};
use super::noise::claim;
use super::sealed::{self, Rig, data, opening};
use super::{frames, plaintext};

const FROM: Frame = Frame::From { position: 0 };
const REFUSED: [u8; 2] = [6, 2];

fn part(stream: u64, payload: &'static [u8], message_end: bool, stream_end: bool) -> Frame {
    Frame::Data(Data {
        stream: StreamId(stream),
        payload: Bytes::from_static(payload),
        message_end,
        stream_end,
    })
}

fn data_of(stream: u64, payload: &'static [u8]) -> Frame {
    part(stream, payload, true, false)
}

/// Goes on with what the verdict `Resumed` offers.
fn resumed(rng: &mut Rng, member: Member, suite: u8) -> Member {
    let id = member.id;
    let (mut member, keys, answer) = ask(rng, member, suite, |_| {});
    let is_resumed = matches!(&answer, Frame::Final(answer) if matches!(answer.verdict, Some(Verdict::Resumed { .. })));
    assert!(is_resumed, "{answer:?}");
    assert_ne!(keys.id, id, "the handshake has an id of its own");
    member.keys = keys;
    member.say(&[FROM]);
    assert_eq!(member.state(), SessionState::Attached);
    member
}

// PROTOCOL R3.15, R3.16
#[test]
fn the_suite_of_a_session_is_that_of_its_newest_secret() {
    for (seed, (first, second)) in [(3, 4), (4, 3)].into_iter().enumerate() {
        let mut rng = Rng::new(seed as u64);
        let member = Member::of_suite(&mut rng, first);
        let mut member = resumed(&mut rng, member, second);
        // The old suite opens nothing any more, whatever the secret.
        member.keys.suite = first;
        let (_, _, heard) = member.resume(&mut rng, 1, &claim(0, 0), false);
        assert_eq!(heard.as_deref(), Some(&REFUSED[..]));
        member.keys.suite = second;
        member.attach(&mut rng, &claim(0, 0), &[FROM]);
        assert_eq!(member.state(), SessionState::Attached);
        // The MAC of the next handshake is by the hash of the second, also if that is of the first.
        let member = resumed(&mut rng, member, first);
        assert_eq!(member.state(), SessionState::Attached);
    }
}

// PROTOCOL R3.20
#[test]
fn the_first_resume_carries_1_and_a_handshake_uses_up_the_counter_that_it_names() {
    let mut rng = Rng::new(1);
    let (caller, _) = Caller::resuming(&mut rng);
    assert_eq!(caller.said[19..27], 1u64.to_be_bytes());
    for above in [0, 4] {
        let mut member = Member::new(&mut rng);
        member.counter = 4;
        member.attach(&mut rng, &claim(0, 0), &[FROM]);
        assert_eq!(member.counter, 5);
        member.counter += above;
        let mut member = resumed(&mut rng, member, 4);
        let used = member.counter;
        assert_eq!(used, 6 + above);
        let (_, _, heard) = member.resume(&mut rng, used, &claim(0, 0), false);
        assert_eq!(heard.as_deref(), Some(&REFUSED[..]), "{used} is used up");
        let (_, _, heard) = member.resume(&mut rng, used + 1, &claim(0, 0), false);
        assert_eq!(heard.map(|packet| packet[0]), Some(5), "RESUMED");
    }
}

// PROTOCOL R4.2
#[test]
fn no_packet_is_longer_than_its_receiver_takes() {
    let mut rng = Rng::new(2);
    let mut wanted = offer(&[4], None);
    wanted.parameters.packet_limit = 1_200;
    (wanted.parameters.stream_window, wanted.parameters.session_window) = (1 << 20, 1 << 20);
    let mut member = Member::unconfirmed(&mut rng, wanted);
    member.say(&[FROM]);
    let now = member.pair.instant();
    let server = member.pair.server.as_mut().expect("because it is attached");
    let stream = server
        .open(now, StreamOptions::default())
        .expect("because there is room");
    let sent = server.stream(stream).send(now, Bytes::from(vec![7; 60_000]));
    assert_eq!(sent, Ok(()));
    let heard = member.hear();
    let arrived: usize = heard
        .iter()
        .map(|frame| match frame {
            Frame::Data(data) => data.payload.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(arrived, 60_000);
    let longest = member.pair.wires[member.wire]
        .log
        .iter()
        .map(|(_, packet)| packet.len())
        .max();
    assert!(longest <= Some(1_200), "{longest:?}");
}

// PROTOCOL R4.24
#[test]
fn a_frame_in_parts_arrives_with_the_last_of_them() {
    for victim in [Side::Client, Side::Server] {
        let mut rig = Rig::new(&mut Rng::new(4), victim);
        let stream = rig.stream;
        if victim == Side::Server {
            let now = rig.pair.instant();
            rig.victim_machine().accept(now);
        }
        let read = |rig: &mut Rig| {
            let now = rig.pair.instant();
            match rig.victim_machine().stream(stream).recv(now) {
                Ok(Some(Chunk::Data { payload, .. })) => payload.len(),
                _ => 0,
            }
        };
        let part = |place, total| sealed::part(stream.0, place, total);
        let before = rig.victim_machine().inspect().expected;
        rig.say_well(&[part((0, 30), 100), part((30, 40), 100)]);
        assert_eq!((read(&mut rig), rig.victim_machine().inspect().expected), (0, before));
        rig.say_well(&[part((70, 30), 100), part((0, 10), 20)]);
        assert_eq!(
            (read(&mut rig), rig.victim_machine().inspect().expected),
            (100, before + 1)
        );
        rig.say_well(&[part((10, 10), 20), data(stream.0, 7)]);
        assert_eq!((read(&mut rig), read(&mut rig)), (20, 7));
        assert_eq!(rig.victim_machine().inspect().expected, before + 3);
    }
}

// PROTOCOL R4.11
#[test]
fn the_last_ping_is_answered_and_a_pong_out_of_nowhere_ignored() {
    for victim in [Side::Client, Side::Server] {
        let mut rig = Rig::new(&mut Rng::new(3), victim);
        rig.say_well(&[Frame::Ping { id: 7 }, Frame::Pong { id: 99 }, Frame::Ping { id: 8 }]);
        assert_eq!(rig.take_heard(), [Frame::Pong { id: 8 }]);
    }
}

// PROTOCOL R4.13
#[test]
fn a_rekey_holds_from_the_next_packet_on_wherever_and_however_often_it_stands() {
    let mut member = Member::new(&mut Rng::new(4));
    for round in 0..3 {
        let heard = member.say(&[Frame::Rekey, Frame::Ping { id: 2 * round }, Frame::Rekey]);
        assert!(heard.contains(&Frame::Pong { id: 2 * round }), "{heard:?}");
        member.keys.rekey();
        let heard = member.say(&[Frame::Ping { id: 2 * round + 1 }]);
        assert!(heard.contains(&Frame::Pong { id: 2 * round + 1 }), "{heard:?}");
    }
}

// PROTOCOL R4.16
#[test]
fn opens_ascend_on_the_wire_whatever_their_priorities() {
    for victim in [Side::Client, Side::Server] {
        let mut rig = Rig::new(&mut Rng::new(5), victim);
        let now = rig.pair.instant();
        let opened: Vec<StreamId> = [200, 0, 128]
            .into_iter()
            .map(|priority| {
                let options = StreamOptions::default().with_priority(priority);
                let machine = rig.victim_machine();
                let stream = machine.open(now, options).expect("because there is room");
                let sent = machine.stream(stream).send(now, Bytes::from_static(b"first words"));
                assert_eq!(sent, Ok(()));
                stream
            })
            .collect();
        rig.say_well(&[Frame::Ping { id: 1 }]);
        let heard = rig.take_heard();
        let on_the_wire: Vec<StreamId> = heard
            .iter()
            .filter_map(|frame| match frame {
                Frame::Open(open) => Some(open.stream),
                _ => None,
            })
            .collect();
        assert_eq!(on_the_wire, opened);
    }
}

// PROTOCOL R4.18
#[test]
fn a_stop_is_answered_with_its_code_and_one_behind_the_end_with_nothing() {
    for victim in [Side::Client, Side::Server] {
        let mut rig = Rig::new(&mut Rng::new(6), victim);
        let stop = Frame::Stop {
            stream: rig.stream,
            code: 41,
        };
        rig.say_well(std::slice::from_ref(&stop));
        let reset = Frame::Reset {
            stream: rig.stream,
            code: 41,
        };
        assert!(rig.take_heard().contains(&reset));
        rig.say_well(&[
            stop,
            Frame::Credit {
                stream: rig.stream.0,
                limit: 1 << 40,
            },
        ]);
        let again = rig.take_heard();
        assert!(!again.contains(&reset), "{again:?}");
    }
}

// PROTOCOL R4.19
#[test]
fn messages_may_be_empty_or_of_many_frames_and_a_stream_may_end_inside_one() {
    for (victim, own) in [(Side::Client, 2), (Side::Server, 3)] {
        let mut rig = Rig::new(&mut Rng::new(7), victim);
        rig.say_well(&[
            opening(own, 16_000),
            data(own, 0),
            part(own, b"a message ", false, false),
            part(own, b"", false, false),
            part(own, b"in pieces", true, false),
            part(own, b"unfinished", false, true),
        ]);
        let now = rig.pair.instant();
        let machine = rig.victim_machine();
        assert_eq!(machine.accept(now).map(|stream| stream.id), Some(StreamId(own)));
        let mut read = Vec::new();
        while let Ok(Some(chunk)) = machine.stream(StreamId(own)).recv(now) {
            read.push(chunk);
        }
        let chunk = |payload: &'static [u8], message_end| Chunk::Data {
            payload: Bytes::from_static(payload),
            message_end,
        };
        let expected = [
            chunk(b"", true),
            chunk(b"a message ", false),
            chunk(b"", false),
            chunk(b"in pieces", true),
            chunk(b"unfinished", false),
            Chunk::End,
        ];
        assert_eq!(read, expected);
    }
}

// PROTOCOL R7.1
#[test]
fn the_shorter_keepalive_interval_holds() {
    for (theirs, expected) in [(2_000, 2_000), (60_000, 10_000)] {
        let mut wanted = offer(&[4], None);
        wanted.parameters.keepalive_interval = theirs;
        let mut member = Member::unconfirmed(&mut Rng::new(8), wanted);
        member.say(&[FROM]);
        let pings = |member: &mut Member, after: u64| {
            member.pair.now += after * 1_000_000;
            member.pair.timers();
            member.hear().iter().any(|frame| matches!(frame, Frame::Ping { .. }))
        };
        assert!(!pings(&mut member, expected - 1), "{theirs}");
        assert!(pings(&mut member, 1), "{theirs}");
    }
}

// PROTOCOL R10.5
#[test]
fn a_client_takes_what_stands_right_behind_final_or_resumed() {
    let first = [FROM, opening(2, 16_000), data(2, 5)];
    let mut rng = Rng::new(9);
    let (mut caller, mut keys) = Caller::proven(&mut rng);
    assert!(caller.hear(&keys.seal(&plaintext(&[Frame::Final(answer(None).into())]))));
    assert!(caller.hear(&keys.seal(&plaintext(&first))));
    let now = caller.pair.instant();
    assert_eq!(
        caller.pair.client.accept(now).map(|stream| stream.id),
        Some(StreamId(2))
    );

    let (mut caller, keys) = Caller::resuming(&mut rng);
    let (packet, mut keys) = super::noise::Resume::answer(&mut rng, &keys.secret, &caller.said, &claim(1, 0));
    assert!(caller.hear(&packet));
    assert!(caller.hear(&keys.seal(&plaintext(&first))));
    let now = caller.pair.instant();
    assert_eq!(
        caller.pair.client.accept(now).map(|stream| stream.id),
        Some(StreamId(2))
    );
}

// PROTOCOL R10.3, R10.7
#[test]
fn both_begin_with_from_and_a_packet_without_confirms_all_the_same() {
    let mut rng = Rng::new(10);
    let (mut caller, mut keys) = Caller::proven(&mut rng);
    assert!(caller.hear(&keys.seal(&plaintext(&[Frame::Final(answer(None).into())]))));
    let confirming = caller.packet().expect("because it has to confirm at once");
    let said = frames(keys.open(&confirming).expect("because both have the keys"));
    assert_eq!(said[0], FROM);

    let mut member = Member::unconfirmed(&mut rng, offer(&[4], None));
    let heard = member.say(&[Frame::Ping { id: 1 }]);
    assert_eq!(member.state(), SessionState::Attached);
    assert_eq!(heard[..2], [FROM, Frame::Pong { id: 1 }]);
    member.say(&[FROM, opening(1, 16_000)]);
    let now = member.pair.instant();
    let server = member.pair.server.as_mut().expect("because it is attached");
    assert_eq!(server.accept(now).map(|stream| stream.id), Some(StreamId(1)));
}

// PROTOCOL R10.11, R10.12, R10.13
#[test]
fn a_draining_connection_answers_and_says_nothing_else_until_it_is_not_needed_any_more() {
    let mut rng = Rng::new(12);
    let mut member = Member::of_suite(&mut rng, 4);
    member.say(&[Frame::Ack { position: 0 }, opening(1, 16_000)]);
    let now = member.pair.instant();
    let server = member.pair.server.as_mut().expect("because it is attached");
    let stream = server.accept(now).expect("because it was opened").id;
    let send = |member: &mut Member, payload: &'static [u8]| {
        let now = member.pair.instant();
        let server = member.pair.server.as_mut().expect("because it is attached");
        let sent = server.stream(stream).send(now, Bytes::from_static(payload));
        assert_eq!(sent, Ok(()));
    };
    send(&mut member, b"before");
    assert!(member.hear().contains(&data_of(1, b"before")));
    member.counter += 1;
    let (resume, new, heard) = member.resume(&mut rng, 1, &claim(1, 1), false);
    let (theirs, mut keys) = resume.resumed(&heard.expect("because the proof is good"));
    assert_eq!(theirs[8], 1, "it holds the old connection to be alive");
    // The old one is the server's until the new one is confirmed, and it goes on there.
    send(&mut member, b"meanwhile");
    assert!(member.hear().contains(&data_of(1, b"meanwhile")));
    member.say(&[data(1, 5)]);
    let old = member.wire;
    (member.wire, keys) = (new, std::mem::replace(&mut member.keys, keys));
    let heard = member.say(&[Frame::From { position: 2 }]);
    assert_eq!(heard[0], Frame::From { position: 2 }, "where it stood on the old one");
    // What is new, and what acknowledges the old, goes on the new one.
    send(&mut member, b"after");
    member.pair.now += 25_000_000;
    member.pair.timers();
    let heard = member.hear();
    assert!(heard.contains(&data_of(1, b"after")), "{heard:?}");
    assert!(
        !member.pair.transmit(old, Side::Server),
        "it has something to say on the old one"
    );
    let ping = keys.seal(&plaintext(&[Frame::Ping { id: 3 }]));
    member.pair.wires[old].write(Side::Client, &ping);
    assert!(member.pair.deliver(old, Side::Client) && member.pair.transmit(old, Side::Server));
    let packet = member.pair.wires[old]
        .take(Side::Server)
        .expect("because it was written");
    let heard = frames(keys.open(&packet).expect("because both have the keys"));
    assert_eq!(heard, [Frame::Pong { id: 3 }]);
    let is_wanted = |member: &Member| {
        let epoch = member.pair.wires[old].server_epoch();
        let server = member.pair.server.as_ref().expect("because it is attached");
        epoch.is_some_and(|epoch| server.is_wanted(epoch))
    };
    assert!(is_wanted(&member), "its last frame is not acknowledged");
    member.say(&[Frame::Ack { position: 2 }]);
    assert!(!is_wanted(&member), "nothing is missing on it any more");
}

// PROTOCOL R11.2
#[test]
fn a_client_that_is_refused_tries_once_more_and_then_asks_under_seal() {
    let (mut caller, _) = Caller::resuming(&mut Rng::new(11));
    for counter in [1u64, 2] {
        assert_eq!(caller.said[0], 4, "RESUME");
        assert_eq!(caller.said[19..27], counter.to_be_bytes());
        assert!(caller.hear(&REFUSED));
        caller = Caller::dial(caller.pair);
    }
    assert_eq!(caller.said[0], 1, "HELLO");
}
