//! The gateway by hand, message by message; [`through`] has the two ends talk through it.

mod ending;
mod through;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{AttachError, ConnectionId, End, Event, Gateway, GatewayConfig, Refusal};
use crate::config::Seed;
use crate::ssm::body::{AgentSessionState, OpenDataChannel, SessionState, Token};
use crate::ssm::frame::{Frame, Header};
use crate::ssm::testing::{UNIX_MILLIS, frame};
use crate::ssm::{Message, MessageType, Uuid};
use crate::time::{Duration, Instant};

const NOW: Instant = Instant::from_millis(1_000);

fn gateway(config: GatewayConfig) -> Gateway {
    let mut gateway = Gateway::new(config, Seed([3; 32]), NOW, UNIX_MILLIS).expect("a configuration that works");
    gateway.start(NOW, "s-1").expect("there is room");
    gateway
}

fn opening(end: End, token: &Token) -> Message {
    let (request, client) = ("r".to_string(), "c".to_string());
    let open = match end {
        End::Client => OpenDataChannel::client(request, token.clone(), client, "1.2.764.0".into()),
        End::Agent => OpenDataChannel::agent(request, token.clone(), client, "i-1".into()),
    };
    let mut text = Vec::new();
    open.encode(&mut text);
    Message::Text(String::from_utf8(text).expect("JSON is text"))
}

fn attached(gateway: &mut Gateway, end: End) -> ConnectionId {
    let token = gateway.token("s-1", end).expect("the session lives");
    let id = gateway.attach(NOW, "s-1").expect("there is room");
    gateway.handle_input(NOW, id, opening(end, &token));
    assert!(gateway.is_wanted(id));
    id
}

fn binary(message: Vec<u8>) -> Message {
    Message::Binary(Bytes::from(message))
}

fn input(number: i64, payload: &[u8]) -> Message {
    binary(frame(MessageType::InputStreamData, number, 1, payload))
}

fn output(number: i64, payload: &[u8]) -> Message {
    binary(frame(MessageType::OutputStreamData, number, 1, payload))
}

fn state(session_state: SessionState) -> Message {
    let body = AgentSessionState {
        schema_version: 1,
        session_state,
        session_id: "s-1".into(),
    };
    let mut message = Vec::new();
    Header::new(MessageType::AgentSessionState, Uuid::v4([1; 16]), UNIX_MILLIS)
        .encode_with(&mut message, |out| body.encode(out));
    binary(message)
}

fn sent(gateway: &mut Gateway, id: ConnectionId) -> Vec<Message> {
    core::iter::from_fn(|| gateway.poll_transmit(NOW, id)).collect()
}

fn decoded(message: &Message) -> Frame {
    match message {
        Message::Binary(bytes) => Frame::decode(bytes.clone()).expect("a frame").frame,
        other => panic!("{other:?} is no frame"),
    }
}

fn refusals(gateway: &mut Gateway) -> Vec<Refusal> {
    let refusal = |event| match event {
        Event::Refused { refusal, .. } => Some(refusal),
        _ => None,
    };
    core::iter::from_fn(|| gateway.poll_event())
        .filter_map(refusal)
        .collect()
}

#[test]
fn frames_pass_unchanged_and_in_order() {
    let mut gateway = gateway(GatewayConfig::default());
    let (client, agent) = (attached(&mut gateway, End::Client), attached(&mut gateway, End::Agent));
    let up = vec![
        input(0, b"ls"),
        binary(frame(MessageType::Acknowledge, 0, 2, b"{}")),
        input(1, b""),
    ];
    let down = vec![output(0, b"$ "), binary(frame(MessageType::Acknowledge, 0, 4, b"{}"))];
    for message in &up {
        gateway.handle_input(NOW, client, message.clone());
    }
    for message in &down {
        gateway.handle_input(NOW, agent, message.clone());
    }
    assert_eq!(sent(&mut gateway, agent), up);
    assert_eq!(sent(&mut gateway, client), down);
    let (_, stats) = gateway.sessions().next().expect("it lives");
    assert_eq!((stats.client.passed_frames, stats.agent.passed_frames), (3, 2));
    assert_eq!((stats.client.refused_messages, stats.agent.refused_messages), (0, 0));
}

#[test]
fn what_an_end_may_not_send_goes_no_further() {
    let mut gateway = gateway(GatewayConfig::default().with_max_frame(2_000));
    let (client, agent) = (attached(&mut gateway, End::Client), attached(&mut gateway, End::Agent));
    let mut deafening = frame(MessageType::InputStreamData, 0, 1, b"12345678");
    deafening[3] = 120;
    let of_client = [
        output(0, b"x"),
        state(SessionState::Terminating),
        binary(frame(MessageType::ChannelClosed, 0, 1, b"{}")),
        binary(frame(MessageType::PausePublication, 0, 1, b"")),
        binary(vec![0; 80]),
        binary(deafening),
        input(0, &[0; 2_000]),
        Message::Text("pause_publication".into()),
    ];
    let count = of_client.len() as u64;
    for message in of_client {
        gateway.handle_input(NOW, client, message);
    }
    let of_agent = [
        input(0, b"x"),
        binary(frame(MessageType::AgentSessionState, 0, 1, b"no JSON")),
        binary(frame(MessageType::ChannelClosed, 0, 1, b"{}")),
    ];
    for message in of_agent {
        gateway.handle_input(NOW, agent, message);
    }
    gateway.handle_input(NOW, agent, state(SessionState::Connected));
    assert_eq!(sent(&mut gateway, agent), []);
    assert_eq!(sent(&mut gateway, client), []);
    let (_, stats) = gateway.sessions().next().expect("nobody ended it");
    assert_eq!(stats.client.refused_messages, count);
    assert_eq!(stats.agent.refused_messages, 3);
}

#[test]
fn a_token_opens_one_connection_of_its_session_and_its_end() {
    let mut gateway = gateway(GatewayConfig::default());
    gateway.start(NOW, "s-2").expect("there is room");
    let token = gateway.token("s-1", End::Client).expect("it lives");
    let other = gateway.token("s-2", End::Client).expect("it lives");
    assert_ne!(token, other);
    for (token, end) in [
        (Token::from("guessed"), End::Client),
        (Token::default(), End::Client),
        (token.clone(), End::Agent),
        (other, End::Client),
    ] {
        let id = gateway.attach(NOW, "s-1").expect("there is room");
        gateway.handle_input(NOW, id, opening(end, &token));
        assert!(!gateway.is_wanted(id));
        assert_eq!(refusals(&mut gateway), [Refusal::Token]);
    }
    let first = gateway.attach(NOW, "s-1").expect("there is room");
    gateway.handle_input(NOW, first, opening(End::Client, &token));
    assert!(gateway.is_wanted(first));
    let second = gateway.attach(NOW, "s-1").expect("there is room");
    gateway.handle_input(NOW, second, opening(End::Client, &token));
    assert!(!gateway.is_wanted(second), "a token that was used before");
    assert!(gateway.is_wanted(first), "nobody took its place");
    assert_eq!(refusals(&mut gateway), [Refusal::Token]);
}

#[test]
fn few_tokens_wait_and_none_is_shown() {
    let mut gateway = gateway(GatewayConfig::default().with_max_tokens(2));
    let tokens: Vec<Token> = (0..3).filter_map(|_| gateway.token("s-1", End::Agent)).collect();
    let shown = format!("{gateway:?}");
    for token in &tokens {
        assert_eq!(token.as_str().len(), 64);
        assert!(!shown.contains(token.as_str()));
    }
    let is_let_in = |token| {
        let id = gateway.attach(NOW, "s-1").expect("there is room");
        gateway.handle_input(NOW, id, opening(End::Agent, token));
        gateway.is_wanted(id)
    };
    let let_in: Vec<bool> = tokens.iter().map(is_let_in).collect();
    assert_eq!(let_in, [false, true, true]);
    assert_eq!(gateway.token("s-3", End::Agent), None);
}

#[test]
fn a_connection_says_first_who_it_is_and_in_time() {
    let config = GatewayConfig::default().with_max_opening(2);
    let timeout = config.opening_timeout;
    let mut gateway = gateway(config);
    assert_eq!(gateway.attach(NOW, "s-2"), Err(AttachError::NoSession));
    for message in [
        input(0, b"x"),
        Message::Text("{".into()),
        Message::Text("channel_closed".into()),
    ] {
        let id = gateway.attach(NOW, "s-1").expect("there is room");
        gateway.handle_input(NOW, id, message);
        assert!(!gateway.is_wanted(id));
        assert_eq!(refusals(&mut gateway), [Refusal::NotAnOpening]);
        assert_eq!(gateway.poll_wake(), Some(id));
    }
    let late = gateway.attach(NOW, "s-1").expect("there is room");
    let later = gateway
        .attach(NOW + Duration::from_secs(1), "s-1")
        .expect("there is room");
    assert_eq!(gateway.attach(NOW, "s-1"), Err(AttachError::Full));
    gateway.handle_input(NOW, late, Message::Ping(Bytes::from_static(b"p")));
    assert_eq!(sent(&mut gateway, late), [Message::Pong(Bytes::from_static(b"p"))]);
    // The second moved the machine's time on.
    assert_eq!(gateway.poll_timeout(), Some(NOW + timeout));
    gateway.handle_timeout(NOW + timeout);
    assert!(!gateway.is_wanted(late) && gateway.is_wanted(later));
    assert_eq!(refusals(&mut gateway), [Refusal::Timeout]);
    gateway.detach(NOW, later);
    assert!(gateway.attach(NOW, "s-1").is_ok() && gateway.attach(NOW, "s-1").is_ok());
}

#[test]
fn a_newer_connection_takes_the_place_of_the_older() {
    let mut gateway = gateway(GatewayConfig::default());
    let (old, agent) = (attached(&mut gateway, End::Client), attached(&mut gateway, End::Agent));
    gateway.handle_input(NOW, agent, output(0, b"x"));
    let new = attached(&mut gateway, End::Client);
    assert!(!gateway.is_wanted(old) && gateway.is_wanted(agent));
    assert_eq!(sent(&mut gateway, old), []);
    assert_eq!(sent(&mut gateway, new), [output(0, b"x")]);
    // What the old one says is nobody's, and its end is no end of the new one.
    gateway.handle_input(NOW, old, input(0, b"x"));
    assert_eq!(sent(&mut gateway, agent), []);
    gateway.detach(NOW, old);
    assert_eq!(gateway.connection("s-1", End::Client), Some(new));
    let replaced = core::iter::from_fn(|| gateway.poll_event()).filter(
        |event| matches!(event, Event::Attached { replaced: Some(id), connection, .. } if *id == old && *connection == new),
    );
    assert_eq!(replaced.count(), 1);
}

#[test]
fn what_is_held_is_bounded_and_counted() {
    let message = output(0, &[7; 880]);
    let mut gateway = gateway(GatewayConfig::default().with_held_bytes(2_500));
    let agent = attached(&mut gateway, End::Agent);
    for _ in 0..5 {
        assert!(gateway.wants_input(agent), "nobody is held up for an end that is away");
        gateway.handle_input(NOW, agent, message.clone());
    }
    let (_, stats) = gateway.sessions().next().expect("it lives");
    assert_eq!(stats.agent.held_bytes, 3_000);
    assert_eq!(
        (stats.agent.overflowed_frames, stats.agent.overflowed_bytes),
        (2, 2_000)
    );
    let client = attached(&mut gateway, End::Client);
    assert!(!gateway.wants_input(agent), "there is somebody to take it now");
    assert_eq!(sent(&mut gateway, client).len(), 3);
    assert!(gateway.wants_input(agent));
}

#[test]
fn a_slow_reader_holds_up_who_sends_to_it_and_nothing_is_dropped() {
    let mut gateway = gateway(GatewayConfig::default().with_held_bytes(10_000));
    let (client, agent) = (attached(&mut gateway, End::Client), attached(&mut gateway, End::Agent));
    while gateway.poll_wake().is_some() {}
    let (mut numbers, mut got, mut rounds) = (0, Vec::new(), 0);
    while got.len() < 200 && rounds < 1_000 {
        while gateway.wants_input(agent) && numbers < 200 {
            gateway.handle_input(NOW, agent, output(numbers, &[1; 1_024]));
            numbers += 1;
        }
        let held = gateway.sessions().next().map(|(_, stats)| stats.agent.held_bytes);
        assert!(held.is_some_and(|held| held < 10_000 + 1_144));
        assert!(gateway.wants_input(client), "the other way is free");
        while gateway.poll_wake().is_some() {}
        got.extend(gateway.poll_transmit(NOW, client).map(|message| decoded(&message)));
        rounds += 1;
        if numbers < 200 {
            assert_eq!(gateway.poll_wake(), Some(agent), "it can be read from again");
        }
    }
    assert_eq!(rounds, 200);
    let order: Vec<i64> = got.iter().map(|frame| frame.header.sequence_number).collect();
    assert_eq!(order, (0..200).collect::<Vec<i64>>());
    let (_, stats) = gateway.sessions().next().expect("it lives");
    assert_eq!(stats.agent.overflowed_frames, 0);
}
