//! Requests and answers.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use unbroken_ssm::gateway::{End, GatewayConfig, Settings};
use unbroken_ssm::http::StatusCode;

use super::common::{PATIENCE, call, gateway, request};

#[tokio::test]
async fn a_session_is_started_resumed_and_terminated() {
    let (gateway, address) = gateway(Settings::default()).await;
    let (status, started) = call(address, "StartSession", &json!({"Target": "i-1"})).await;
    assert_eq!(status, 200);
    let session_id = started["SessionId"].as_str().expect("an id").to_owned();
    let url = format!("ws://{address}/v1/data-channel/{session_id}?role=publish_subscribe");
    assert_eq!(started["StreamUrl"], json!(url));
    assert_eq!(gateway.sessions().len(), 1);

    let (status, resumed) = call(address, "ResumeSession", &json!({"SessionId": session_id})).await;
    assert_eq!((status, &resumed["StreamUrl"]), (200, &json!(url)));
    let token = |answer: &serde_json::Value| answer["TokenValue"].as_str().map(str::len);
    assert_eq!((token(&started), token(&resumed)), (Some(64), Some(64)));
    assert_ne!(started["TokenValue"], resumed["TokenValue"]);

    let (status, ended) = call(address, "TerminateSession", &json!({"SessionId": session_id})).await;
    assert_eq!((status, ended), (200, json!({"SessionId": session_id})));
    assert!(gateway.sessions().is_empty());
    let (status, resumed) = call(address, "ResumeSession", &json!({"SessionId": session_id})).await;
    assert_eq!((status, resumed), (200, json!({})));
}

#[tokio::test]
async fn errors_are_said_as_aws_says_them() {
    let settings = Settings::default().machine(GatewayConfig::default().with_max_sessions(1));
    let (gateway, address) = gateway(settings).await;
    let (status, error) = call(address, "StartSession", &json!({"Target": "i-2"})).await;
    let expected = json!({"__type": "TargetNotConnected", "message": "i-2 is not connected."});
    assert_eq!((status, error), (400, expected));
    assert!(gateway.sessions().is_empty(), "a session that was refused is none");
    for (name, body, expected) in [
        ("DescribeSessions", json!({}), "UnknownOperationException"),
        ("StartSession", json!({"Target": 1}), "SerializationException"),
        ("StartSession", json!({}), "SerializationException"),
        ("StartSession", json!({"Target": ""}), "ValidationException"),
        ("ResumeSession", json!([[[]]]), "SerializationException"),
    ] {
        let (status, error) = call(address, name, &body).await;
        assert_eq!(
            (status, error["__type"].as_str()),
            (400, Some(expected)),
            "{name} {body}"
        );
    }
    gateway.start("s-1").expect("there is room");
    let (_, error) = call(address, "StartSession", &json!({"Target": "i-1"})).await;
    assert_eq!(error["__type"], json!("ThrottlingException"));
}

#[tokio::test]
async fn an_agent_gets_a_token_in_xml() {
    let (gateway, address) = gateway(Settings::default()).await;
    gateway.start("s-1").expect("there is room");
    let body = br#"{"MessageSchemaVersion":"1.0","RequestId":"r","ClientId":"i-1"}"#;
    let (status, answer) = request(address, "POST /v1/data-channel/s-1 HTTP/1.1", body).await;
    assert_eq!(status, 201);
    let token = answer
        .strip_prefix("<CreateDataChannelOutput><MessageSchemaVersion>1.0</MessageSchemaVersion><TokenValue>")
        .and_then(|rest| rest.strip_suffix("</TokenValue></CreateDataChannelOutput>"));
    assert_eq!(token.map(str::len), Some(64));
    let (status, answer) = request(address, "POST /v1/data-channel/s-2 HTTP/1.1", body).await;
    assert_eq!(status, 400);
    assert!(answer.contains("Session is already terminated"));
}

#[tokio::test]
async fn there_is_nothing_else() {
    let (gateway, address) = gateway(Settings::default()).await;
    gateway.start("s-1").expect("there is room");
    for (head, expected) in [
        ("GET / HTTP/1.1", 405),
        ("PUT /v1/data-channel/s-1 HTTP/1.1", 405),
        ("GET /v1/data-channel/s-1 HTTP/1.1", 426),
        ("GET /v1/data-channel/ HTTP/1.1", 404),
        ("GET /v1/data-channel/s-1/x HTTP/1.1", 404),
        ("POST /v1/data-channel/%73-1 HTTP/1.1", 404),
        ("POST /v1/control-channel/i-1 HTTP/1.1", 404),
        ("nonsense", 400),
    ] {
        assert_eq!(request(address, head, b"").await.0, expected, "{head}");
    }
    let upgrade = "GET /v1/data-channel/s-2 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==";
    let (status, answer) = request(address, upgrade, b"").await;
    assert_eq!((status, answer.as_str()), (400, "Session is already terminated\n"));
}

#[tokio::test]
async fn who_is_not_allowed_changes_nothing() {
    let settings = Settings::default().authorise(|parts| match parts.headers.get("authorization") {
        Some(value) if value == "let me in" => Ok(()),
        Some(_) => Err(StatusCode::FORBIDDEN),
        None => Err(StatusCode::UNAUTHORIZED),
    });
    let (gateway, address) = gateway(settings).await;
    let start = "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSSM.StartSession";
    for (authorization, expected, sessions) in [
        ("", 401, 0),
        ("\r\nAuthorization: please", 403, 0),
        ("\r\nAuthorization: let me in", 200, 1),
    ] {
        let head = format!("{start}{authorization}");
        assert_eq!(request(address, &head, br#"{"Target":"i-1"}"#).await.0, expected);
        assert_eq!(gateway.sessions().len(), sessions);
    }
}

#[tokio::test]
async fn a_body_is_bounded() {
    let (_, address) = gateway(Settings::default()).await;
    let start = "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSSM.StartSession";
    let mut body = br#"{"Target":"i-1","Reason":""#.to_vec();
    body.resize((64 << 10) - 2, b'x');
    body.extend_from_slice(b"\"}");
    assert_eq!(request(address, start, &body).await.0, 200);
    body.push(b' ');
    assert_eq!(request(address, start, &body).await.0, 413);
}

#[tokio::test]
async fn whoever_is_slow_is_given_up_and_makes_room() {
    let settings = Settings::default()
        .max_connections(1)
        .request_timeout(Duration::from_millis(300));
    let (_, address) = gateway(settings).await;
    for begun in [
        "",
        "POST / HT",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ] {
        let mut slow = TcpStream::connect(address).await.expect("it listens");
        slow.write_all(begun.as_bytes()).await.expect("it reads");
        // Waits for the only place that there is.
        let (status, _) = call(address, "StartSession", &json!({"Target": "i-1"})).await;
        assert_eq!(status, 200);
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, slow.read_to_end(&mut answer)).await;
        // Closed or reset, and not answered.
        let _how = ended.expect("it was given up");
        assert!(answer.is_empty(), "{begun:?}");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_session() {
    let settings = Settings::default().request_timeout(Duration::from_millis(200));
    let never = |_| std::future::pending();
    let gateway = unbroken_ssm::gateway::Gateway::new(settings, never).expect("settings that work");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let body = br#"{"Target":"i-1"}"#;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSSM.StartSession\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream.write_all(body).await.expect("it reads");
    super::common::until(|| gateway.sessions().len() == 1).await;
    super::common::until(|| gateway.sessions().is_empty()).await;
}

#[tokio::test]
async fn stream_urls_begin_as_they_are_told_to() {
    let (gateway, address) = gateway(Settings::default().public_url("wss://gateway.example")).await;
    let (_, started) = call(address, "StartSession", &json!({"Target": "i-1"})).await;
    let url = started["StreamUrl"].as_str().expect("a URL");
    assert!(url.starts_with("wss://gateway.example/v1/data-channel/"), "{url}");
    assert_eq!(gateway.token("unknown", End::Client), None);
}
