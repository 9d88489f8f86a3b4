//! WebSockets, message by message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use unbroken_ssm::gateway::{End, GatewayConfig, Settings};
use unbroken_ssm::proto::ssm::body::{AgentSessionState, SessionState, Token};
use unbroken_ssm::proto::ssm::frame::{Frame, Header};
use unbroken_ssm::proto::ssm::{MessageType, PayloadType, Uuid};

use super::common::{PATIENCE, Socket, connect, dial, gateway, opening, until};

fn frame(message_type: MessageType, number: i64, payload: &[u8]) -> Message {
    let header = Header {
        sequence_number: number,
        payload_type: PayloadType::Output,
        ..Header::new(message_type, Uuid::v4([1; 16]), 1)
    };
    let mut message = Vec::new();
    header.encode(payload, &mut message);
    Message::Binary(message.into())
}

async fn next(socket: &mut Socket) -> Option<Message> {
    let came = timeout(PATIENCE, socket.next()).await.expect("something comes");
    came.and_then(Result::ok)
}

async fn close_code(socket: &mut Socket) -> Option<CloseCode> {
    match next(socket).await {
        Some(Message::Close(frame)) => frame.map(|frame| frame.code),
        other => panic!("{other:?} is no end"),
    }
}

fn message_type(message: Option<Message>) -> MessageType {
    match message {
        Some(Message::Binary(bytes)) => Frame::decode(bytes).expect("a frame").frame.header.message_type,
        other => panic!("{other:?} is no frame"),
    }
}

#[tokio::test]
async fn who_has_no_token_is_shown_the_door() {
    let config = GatewayConfig::default().with_opening_timeout(Duration::from_millis(50));
    let (gateway, address) = gateway(Settings::default().machine(config)).await;
    gateway.start("s-1").expect("there is room");
    let used = gateway.token("s-1", End::Client).expect("it lives");
    let mut client = dial(address, "s-1").await;
    client.send(opening(End::Client, used.clone())).await.expect("it reads");
    until(|| gateway.sessions()[0].1.client.is_attached).await;
    for first in [
        Some(opening(End::Client, Token::from("guessed"))),
        Some(opening(End::Client, used)),
        Some(frame(MessageType::InputStreamData, 0, b"x")),
        Some(Message::Text("hello".into())),
        None,
    ] {
        let mut socket = dial(address, "s-1").await;
        if let Some(first) = first {
            socket.send(first).await.expect("it reads");
        }
        assert_eq!(close_code(&mut socket).await, Some(CloseCode::Policy));
        assert!(next(&mut socket).await.is_none());
    }
    assert!(gateway.sessions()[0].1.client.is_attached, "the first one is unharmed");
}

#[tokio::test]
async fn frames_pass_and_pings_are_answered() {
    let (gateway, address) = gateway(Settings::default().ping_interval(Duration::from_millis(500))).await;
    gateway.start("s-1").expect("there is room");
    let mut agent = connect(&gateway, address, "s-1", End::Agent).await;
    let output = frame(MessageType::OutputStreamData, 0, b"$ ");
    agent.send(output.clone()).await.expect("it reads");
    let mut client = connect(&gateway, address, "s-1", End::Client).await;
    assert_eq!(next(&mut client).await, Some(output), "it was held");
    let input = frame(MessageType::InputStreamData, 0, b"ls\r");
    client.send(input.clone()).await.expect("it reads");
    assert_eq!(next(&mut agent).await, Some(input));
    client
        .send(Message::Ping(Bytes::from_static(b"keepalive")))
        .await
        .expect("it reads");
    assert_eq!(
        next(&mut client).await,
        Some(Message::Pong(Bytes::from_static(b"keepalive")))
    );
    // With nothing else to say, it asks itself; and it gives up who does not answer.
    assert!(matches!(next(&mut client).await, Some(Message::Ping(_))));
    until(|| !gateway.sessions()[0].1.agent.is_attached).await;
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let (gateway, address) = gateway(Settings::default()).await;
    gateway.start("s-1").expect("there is room");
    let mut old = connect(&gateway, address, "s-1", End::Client).await;
    let mut new = connect(&gateway, address, "s-1", End::Client).await;
    assert_eq!(close_code(&mut old).await, Some(CloseCode::Normal));
    let mut agent = connect(&gateway, address, "s-1", End::Agent).await;
    let output = frame(MessageType::OutputStreamData, 0, b"$ ");
    agent.send(output.clone()).await.expect("it reads");
    assert_eq!(next(&mut new).await, Some(output));
}

#[tokio::test]
async fn a_session_ends_behind_what_was_sent() {
    let (gateway, address) = gateway(Settings::default()).await;
    for session_id in ["s-1", "s-2"] {
        gateway.start(session_id).expect("there is room");
        let mut client = connect(&gateway, address, session_id, End::Client).await;
        let mut agent = connect(&gateway, address, session_id, End::Agent).await;
        for number in 0..100 {
            let output = frame(MessageType::OutputStreamData, number, &[1; 1_024]);
            agent.send(output).await.expect("it reads");
        }
        if session_id == "s-1" {
            let body = AgentSessionState {
                schema_version: 1,
                session_state: SessionState::Terminating,
                session_id: session_id.into(),
            };
            let mut message = Vec::new();
            Header::new(MessageType::AgentSessionState, Uuid::v4([1; 16]), 1)
                .encode_with(&mut message, |out| body.encode(out));
            agent.send(Message::Binary(message.into())).await.expect("it reads");
        } else {
            until(|| gateway.sessions()[0].1.agent.passed_frames == 100).await;
            assert!(gateway.terminate(session_id, "maintenance"));
        }
        for _ in 0..100 {
            assert_eq!(message_type(next(&mut client).await), MessageType::OutputStreamData);
        }
        assert_eq!(message_type(next(&mut client).await), MessageType::ChannelClosed);
        assert_eq!(close_code(&mut client).await, Some(CloseCode::Normal));
        assert_eq!(message_type(next(&mut agent).await), MessageType::ChannelClosed);
        assert!(gateway.sessions().is_empty());
    }
}

#[tokio::test]
async fn a_reader_that_is_slow_holds_up_its_peer_alone() {
    const FRAMES: i64 = 2_000;
    const BYTES: usize = 32 << 10;
    let config = GatewayConfig::default().with_held_bytes(100_000);
    let (gateway, address) = gateway(Settings::default().machine(config)).await;
    gateway.start("s-1").expect("there is room");
    let mut client = connect(&gateway, address, "s-1", End::Client).await;
    let agent = connect(&gateway, address, "s-1", End::Agent).await;
    let (mut to_gateway, mut from_gateway) = agent.split();
    let sending = tokio::spawn(async move {
        for number in 0..FRAMES {
            let output = frame(MessageType::OutputStreamData, number, &vec![7; BYTES]);
            to_gateway.send(output).await.expect("it reads, in the end");
        }
    });
    // Until no more goes: both sockets are full, and so is what the gateway holds.
    let passed = || gateway.sessions()[0].1.agent.passed_frames;
    loop {
        let before = passed();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if before > 0 && passed() == before {
            break;
        }
    }
    let stats = gateway.sessions()[0].1.agent;
    assert!(
        stats.held_bytes >= 100_000 && stats.held_bytes < 100_000 + BYTES + 120,
        "{stats:?}"
    );
    assert!(!sending.is_finished());
    // The other way is free.
    client
        .send(frame(MessageType::InputStreamData, 0, b"x"))
        .await
        .expect("it reads");
    let came = timeout(PATIENCE, from_gateway.next()).await.expect("it is free");
    assert_eq!(message_type(came.and_then(Result::ok)), MessageType::InputStreamData);
    for number in 0..FRAMES {
        let Some(Message::Binary(bytes)) = next(&mut client).await else {
            panic!("{number} is missing");
        };
        assert_eq!(
            Frame::decode(bytes).expect("a frame").frame.header.sequence_number,
            number
        );
    }
    sending.await.expect("all was sent");
    assert_eq!(gateway.sessions()[0].1.agent.overflowed_frames, 0);
}

#[tokio::test]
async fn a_connection_is_cut_without_a_word() {
    let (gateway, address) = gateway(Settings::default()).await;
    gateway.start("s-1").expect("there is room");
    assert!(!gateway.cut("s-1", End::Client));
    let mut client = connect(&gateway, address, "s-1", End::Client).await;
    let _agent = connect(&gateway, address, "s-1", End::Agent).await;
    assert!(gateway.cut("s-1", End::Client));
    let came = timeout(PATIENCE, client.next()).await.expect("it is cut");
    assert!(!matches!(came, Some(Ok(_))), "{came:?}");
    until(|| !gateway.sessions()[0].1.client.is_attached).await;
    assert!(gateway.sessions()[0].1.agent.is_attached);
}

#[tokio::test]
async fn all_of_it_goes_through_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
        });
    let (gateway, address) = gateway(Settings::default().tls(Arc::new(server.expect("they fit")))).await;
    gateway.start("s-1").expect("there is room");
    let token = gateway.token("s-1", End::Client).expect("it lives");

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions that there are")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
    let dialled = tokio_tungstenite::client_async("ws://localhost/v1/data-channel/s-1", stream.expect("TLS"));
    let (mut socket, _) = dialled.await.expect("it upgrades");
    socket.send(opening(End::Client, token)).await.expect("it reads");
    until(|| gateway.sessions()[0].1.client.is_attached).await;
    gateway.terminate("s-1", "");
    let closed = timeout(PATIENCE, socket.next()).await.expect("it is told");
    assert_eq!(message_type(closed.and_then(Result::ok)), MessageType::ChannelClosed);
}
