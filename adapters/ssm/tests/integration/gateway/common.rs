//! A gateway on loopback, and clients of it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::SinkExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use unbroken_ssm::gateway::{ApiError, End, Gateway, Settings, StartRequest};
use unbroken_ssm::proto::ssm::body::{OpenDataChannel, Token};

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway that knows the target `i-1`.
pub(crate) async fn gateway(settings: Settings) -> (Gateway, SocketAddr) {
    let gateway = Gateway::new(settings, |request: StartRequest| async move {
        match request.target.as_str() {
            "i-1" => Ok(()),
            other => Err(ApiError::target_not_connected(other)),
        }
    });
    let gateway = gateway.expect("settings that work");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (gateway, address)
}

/// What is answered to this request, head and body.
pub(crate) async fn request(address: SocketAddr, head: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!("{head}\r\nHost: gateway\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.expect("it reads");
    // It may answer, and close, before it has read all of a body.
    let _written = stream.write_all(body).await;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("it answers in time").expect("it answers");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// An API call.
pub(crate) async fn call(address: SocketAddr, name: &str, body: &Value) -> (u16, Value) {
    let head = format!("POST / HTTP/1.1\r\nX-Amz-Target: AmazonSSM.{name}\r\nContent-Type: application/x-amz-json-1.1");
    let (status, body) = request(address, &head, body.to_string().as_bytes()).await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// A WebSocket to this session's channel that has said nothing.
pub(crate) async fn dial(address: SocketAddr, session_id: &str) -> Socket {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let url = format!("ws://{address}/v1/data-channel/{session_id}?role=publish_subscribe");
    let dialled = tokio_tungstenite::client_async(url, stream).await;
    dialled.expect("it upgrades").0
}

pub(crate) fn opening(end: End, token: Token) -> Message {
    let open = match end {
        End::Client => OpenDataChannel::client("r".into(), token, "c".into(), "1.2.764.0".into()),
        End::Agent => OpenDataChannel::agent("r".into(), token, "c".into(), "i-1".into()),
    };
    let mut text = Vec::new();
    open.encode(&mut text);
    Message::Text(String::from_utf8(text).expect("JSON is text").into())
}

/// A connection of this end, which the gateway knows as such when this returns.
pub(crate) async fn connect(gateway: &Gateway, address: SocketAddr, session_id: &str, end: End) -> Socket {
    let token = gateway.token(session_id, end).expect("the session lives");
    let before = connections(gateway, session_id, end);
    let mut socket = dial(address, session_id).await;
    socket.send(opening(end, token)).await.expect("it reads");
    until(|| connections(gateway, session_id, end) > before).await;
    socket
}

fn connections(gateway: &Gateway, session_id: &str, end: End) -> u64 {
    let sessions = gateway.sessions();
    let session = sessions.iter().find(|(id, _)| id == session_id);
    session.map_or(0, |(_, stats)| stats.of(end).connections)
}

/// Waits until this is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes to pass");
}
