//! One end driven by hand, frame by frame.

use bytes::Bytes;
use unbroken_proto::ssm::body::Acknowledge;
use unbroken_proto::ssm::frame::{Frame, Header};
use unbroken_proto::ssm::{MessageType, PayloadType, Uuid};
use unbroken_proto::{Duration, Instant};
use unbroken_tests::rng::Rng;
use unbroken_tests::ssm::agent::{self, Agent, Kind};
use unbroken_tests::ssm::frames::Framer;
use unbroken_tests::ssm::gateway::{End, Gateway, Options, Output};
use unbroken_tests::ssm::peer::{Message, Peer};
use unbroken_tests::ssm::plugin::{self, Plugin};

use crate::support::at;

fn framer() -> Framer {
    Framer::new(Rng::new(99))
}

/// The frames that an end has to send, its first message aside.
fn sent(peer: &mut impl Peer, now: Instant) -> Vec<Frame> {
    let messages = std::iter::from_fn(|| peer.poll_transmit(now));
    let frames = messages.filter_map(|message| match message {
        Message::Text(_) => None,
        Message::Binary(bytes) => Some(Frame::decode(bytes).expect("a frame").frame),
    });
    frames.collect()
}

/// The numbers of the sequenced frames among them.
fn numbers(frames: &[Frame]) -> Vec<i64> {
    let sequenced = frames.iter().filter(|frame| frame.header.message_type.is_sequenced());
    sequenced.map(|frame| frame.header.sequence_number).collect()
}

/// The numbers that they acknowledge.
fn acknowledged(frames: &[Frame]) -> Vec<i64> {
    let of_type = |frame: &&Frame| frame.header.message_type == MessageType::Acknowledge;
    let bodies = frames
        .iter()
        .filter(of_type)
        .map(|frame| Acknowledge::decode(&frame.payload));
    bodies.map(|body| body.expect("a body").sequence_number).collect()
}

fn output(number: i64, payload: &[u8]) -> Message {
    let kind = MessageType::OutputStreamData;
    Message::Binary(framer().data(at(1), kind, number, PayloadType::Output, payload))
}

fn input(number: i64, payload: &[u8]) -> Message {
    let kind = MessageType::InputStreamData;
    Message::Binary(framer().data(at(1), kind, number, PayloadType::Output, payload))
}

fn control(kind: MessageType) -> Message {
    framer().control(at(1), kind, |_| ())
}

/// A message whose bytes from `place` on are others.
fn changed(message: Message, place: usize, bytes: &[u8]) -> Message {
    let mut changed = message.bytes().to_vec();
    changed[place..place + bytes.len()].copy_from_slice(bytes);
    Message::Binary(changed.into())
}

/// A client that has its connection, and the first output of a shell.
fn client() -> Plugin {
    let options = plugin::Options {
        ready_gap: (0, 0),
        ..plugin::Options::default()
    };
    let mut client = Plugin::new(at(0), options, Rng::new(1));
    client.connected(at(0));
    client.handle_input(at(1), output(0, b"$ "));
    assert_eq!(acknowledged(&sent(&mut client, at(1))), [0]);
    client
}

/// An agent of a shell that has its connection and is read at once.
fn shell() -> Agent {
    let options = agent::Options {
        first_read: Duration::ZERO,
        paced: false,
        ..agent::Options::new(Kind::Shell)
    };
    let mut agent = Agent::new(at(0), options, Rng::new(1));
    agent.connected(at(0));
    agent
}

#[test]
fn the_client_acknowledges_what_waits_again_and_what_is_done_with_never() {
    let mut client = client();
    for (number, expected) in [
        (2, vec![2]),
        (2, vec![2]),
        (1, vec![1]),
        (1, vec![]),
        (2, vec![]),
        (0, vec![]),
    ] {
        client.handle_input(at(2), output(number, b"x"));
        assert_eq!(acknowledged(&sent(&mut client, at(2))), expected, "{number}");
    }
    assert_eq!(client.read(at(2)), b"$ xx");
    assert_eq!(client.counts.silent_duplicates, 3);
}

#[test]
fn the_agent_acknowledges_everything_again() {
    let mut agent = shell();
    for number in [2, 2, 0, 0, 1, 1, 2] {
        agent.handle_input(at(2), input(number, b"x"));
        assert_eq!(acknowledged(&sent(&mut agent, at(2))), [number]);
    }
    assert_eq!(agent.read(at(2)), b"xxx");
}

#[test]
fn a_first_frame_that_is_no_output_starts_nothing() {
    let mut client = Plugin::new(at(0), plugin::Options::default(), Rng::new(1));
    client.connected(at(0));
    let kind = MessageType::OutputStreamData;
    let first = framer().data(at(1), kind, 0, PayloadType::ExitCode, b"EXIT_CODE: 0");
    client.handle_input(at(1), Message::Binary(first));
    client.handle_input(at(2), output(1, b"$ "));
    assert_eq!(acknowledged(&sent(&mut client, at(2))), [0]);
    assert!(client.read(at(2)).is_empty());
    assert_eq!(client.write(at(1_000), b"anything"), 0);
}

#[test]
fn what_was_drained_before_the_handler_is_there_is_lost() {
    let options = plugin::Options {
        ready_gap: (1_000, 1_000),
        ..plugin::Options::default()
    };
    let mut client = Plugin::new(at(0), options, Rng::new(1));
    client.connected(at(0));
    client.handle_input(at(1), output(1, b"acknowledged and lost"));
    client.handle_input(at(1), output(0, b"$ "));
    assert_eq!(acknowledged(&sent(&mut client, at(1))), [1, 0]);
    client.handle_timeout(at(20));
    client.handle_input(at(20), output(2, b"later"));
    assert_eq!(client.read(at(20)), b"$ later");
}

#[test]
fn a_wrong_header_length_makes_either_end_deaf() {
    let mut client = client();
    client.read(at(1));
    client.handle_input(at(2), changed(output(1, b"x"), 0, &120u32.to_be_bytes()));
    client.handle_input(at(3), output(1, b"x"));
    assert!(client.is_deaf() && client.read(at(3)).is_empty());
    client.disconnected(at(4));
    assert_eq!(client.wants_connection(), None);

    let mut agent = shell();
    agent.handle_input(at(2), changed(input(0, b"x"), 0, &u32::MAX.to_be_bytes()));
    agent.handle_input(at(3), input(0, b"x"));
    assert!(agent.read(at(3)).is_empty());
}

#[test]
fn the_digest_is_the_clients_concern_and_only_with_a_length() {
    let mut client = client();
    let wrong = changed(output(1, b"x"), 80, &[0; 32]);
    client.handle_input(at(2), wrong.clone());
    assert!(acknowledged(&sent(&mut client, at(2))).is_empty());
    client.handle_input(at(2), changed(wrong, 116, &[0; 4]));
    assert_eq!(acknowledged(&sent(&mut client, at(2))), [1]);
    client.handle_input(at(3), Message::Text("start_publication".into()));

    let mut agent = shell();
    agent.handle_input(at(2), changed(input(0, b"x"), 80, &[0; 32]));
    assert_eq!(acknowledged(&sent(&mut agent, at(2))), [0]);
}

#[test]
fn output_after_a_pause_arrives_out_of_order() {
    let mut agent = shell();
    let acknowledge = |agent: &mut Agent, number: i64| {
        let header = Header {
            sequence_number: number,
            ..Header::new(MessageType::OutputStreamData, Uuid::NIL, 1)
        };
        agent.handle_input(at(50), framer().acknowledge(at(50), &header));
    };
    for _ in 0..4 {
        assert_eq!(agent.write(at(10), b"x"), 1);
    }
    assert_eq!(numbers(&sent(&mut agent, at(10))), [0, 1, 2, 3]);
    (0..4).for_each(|number| acknowledge(&mut agent, number));
    agent.handle_input(at(60), control(MessageType::PausePublication));
    assert_eq!((agent.write(at(61), b"4"), agent.write(at(62), b"5")), (1, 0));
    agent.handle_timeout(at(1_000));
    assert!(sent(&mut agent, at(1_000)).is_empty());
    agent.handle_input(at(1_010), control(MessageType::StartPublication));
    assert_eq!((agent.write(at(1_011), b"5"), agent.write(at(1_012), b"6")), (1, 1));
    agent.handle_timeout(at(1_150));
    agent.write(at(1_151), b"7");
    // As it was measured.
    assert_eq!(numbers(&sent(&mut agent, at(1_151))), [5, 6, 4, 7]);
}

#[test]
fn half_a_character_is_held_back() {
    let mut agent = shell();
    assert_eq!(agent.write(at(10), "a\u{20ac}".as_bytes().split_at(2).0), 2);
    assert_eq!(agent.write(at(20), &"a\u{20ac}".as_bytes()[2..]), 2);
    let frames = sent(&mut agent, at(20));
    let payloads: Vec<Bytes> = frames.into_iter().map(|frame| frame.payload).collect();
    assert_eq!(payloads[1..], ["a".as_bytes(), "\u{20ac}".as_bytes()]);
}

#[test]
fn input_before_the_handshake_is_acknowledged_and_thrown_away() {
    let mut agent = Agent::new(at(0), agent::Options::new(Kind::SshStdio), Rng::new(1));
    agent.connected(at(0));
    agent.handle_input(at(2), input(0, b"too early"));
    assert_eq!(acknowledged(&sent(&mut agent, at(2))), [0]);
    assert!(agent.read(at(2)).is_empty());
    assert_eq!(agent.counts.thrown_away, 1);
}

#[test]
fn a_service_may_discard_what_the_client_sends_too_early() {
    for discards_early_data in [false, true] {
        let options = Options {
            discards_early_data,
            ..Options::default()
        };
        let mut gateway = Gateway::new(options, Rng::new(1));
        let client = gateway.dial(at(0), End::Client).expect("a connection");
        let agent = gateway.dial(at(0), End::Agent).expect("a connection");
        gateway.handle_input(at(0), client, framer().open_client("1.2.677.0"));
        gateway.handle_input(at(0), agent, framer().open_agent("i-1"));
        gateway.handle_timeout(at(0));
        gateway.handle_input(at(1), client, input(0, b"early"));
        gateway.handle_timeout(at(1));
        gateway.handle_input(at(2), agent, output(0, b"$ "));
        gateway.handle_timeout(at(2));
        gateway.handle_input(at(3), client, input(1, b"in time"));
        (3..5).for_each(|millis| gateway.handle_timeout(at(millis)));
        let outputs = std::iter::from_fn(|| gateway.poll_output());
        let to_agent = outputs.filter(|output| matches!(output, Output::Message(socket, _) if *socket == agent));
        assert_eq!(to_agent.count(), if discards_early_data { 1 } else { 2 });
    }
}

#[test]
fn a_resize_without_a_connection_is_lost() {
    let mut client = client();
    client.resize(at(2_000), 80, 24);
    client.handle_timeout(at(2_500));
    assert!(numbers(&sent(&mut client, at(2_500))).contains(&1));
    client.disconnected(at(3_000));
    client.resize(at(3_100), 100, 30);
    client.handle_timeout(at(3_600));
    client.connected(at(4_000));
    client.handle_timeout(at(5_000));
    assert!(!numbers(&sent(&mut client, at(5_000))).contains(&2));
}
