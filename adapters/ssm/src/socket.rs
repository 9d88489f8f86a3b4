//! A WebSocket to the service: the upgrade, and what becomes of it.

use std::time::SystemTime;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{ProtocolError, UrlError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use unbroken_proto::reconnect::Cause;
use unbroken_proto::ssm::Message;
use unbroken_proto::time::Duration;
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::causes::cause_of_status;
use unbroken_tokio::carriers::driver::KnownAddresses;
use unbroken_tokio::carriers::http::{Response, Uri};
use unbroken_tokio::carriers::retry_after;

use crate::dialling::{ByteStream, cause_of_io, unusable};
use crate::service::Service;

/// Longest message that is taken: the largest frame that a peer is known to take, and its header.
const MAX_MESSAGE: usize = (1 << 20) + 1_024;
/// Bytes that tungstenite gathers before it writes without being asked to.
const WRITE_BUFFER: usize = 64 << 10;
/// Bytes that it reads at once.
const READ_BUFFER: usize = 64 << 10;

/// A WebSocket that is open.
pub(crate) type Socket = WebSocketStream<ByteStream>;

/// How the messages of this protocol are read and written.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Opens a WebSocket at `url`, by a connection that is there `within` that time, with what `service` has for the upgrade.
pub(crate) async fn dial(
    service: &impl Service,
    url: &Uri,
    known: &KnownAddresses,
    within: Duration,
) -> Result<Socket, ConnectError> {
    if !matches!(url.scheme_str(), Some("ws" | "wss")) {
        return Err(unusable(url, "its scheme is neither ws nor wss"));
    }
    let headers = service.upgrade(url).await?;
    let stream = service.connect(url, known, within).await?;
    let mut request = url.into_client_request().map_err(|error| failed(&error))?;
    request.headers_mut().extend(headers);
    let (socket, _) = client_async_with_config(request, stream, Some(config()))
        .await
        .map_err(|error| failed(&error))?;
    Ok(socket)
}

/// What an error of a WebSocket means.
pub(crate) fn cause_of(error: &WsError) -> Cause {
    match error {
        WsError::Io(error) => cause_of_io(error),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete)
        | WsError::ConnectionClosed
        | WsError::AlreadyClosed => Cause::Network,
        WsError::Http(response) => cause_of_status(response.status().as_u16()),
        WsError::Capacity(_) => Cause::TooLarge,
        WsError::Url(UrlError::UnableToConnect(_)) => Cause::Network,
        WsError::Url(_) | WsError::HttpFormat(_) => Cause::Local,
        _ => Cause::Protocol,
    }
}

fn failed(error: &WsError) -> ConnectError {
    if let WsError::Http(response) = error {
        return refused(response);
    }
    ConnectError::new(cause_of(error)).with_source(error.to_string())
}

/// An answer to the upgrade that is not 101: with as much of its body as one line can show.
fn refused(response: &Response<Option<Vec<u8>>>) -> ConnectError {
    let status = response.status();
    let cause = cause_of_status(status.as_u16());
    let error = match retry_after(response.headers(), SystemTime::now()) {
        Some(after) if cause == Cause::ServerAsked => ConnectError::later(after),
        _ => ConnectError::new(cause),
    };
    let body = response.body().as_deref().unwrap_or_default();
    let words: String = String::from_utf8_lossy(body)
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(200)
        .collect();
    error.with_source(
        format!("the upgrade was answered with {status} {}", words.trim())
            .trim_end()
            .to_owned(),
    )
}

/// A message for the machine, if it is one for it.
pub(crate) fn received(message: WsMessage) -> Option<Message> {
    match message {
        WsMessage::Text(text) => Some(Message::Text(text.as_str().to_owned())),
        // A copy: it may wait long to be read, and would hold all of the buffer that it came in.
        WsMessage::Binary(bytes) => Some(Message::Binary(Bytes::copy_from_slice(&bytes))),
        WsMessage::Ping(bytes) => Some(Message::Ping(bytes)),
        WsMessage::Pong(bytes) => Some(Message::Pong(bytes)),
        WsMessage::Close(_) | WsMessage::Frame(_) => None,
    }
}

/// A message of the machine's.
pub(crate) fn to_be_sent(message: Message) -> WsMessage {
    match message {
        Message::Text(text) => WsMessage::Text(text.into()),
        Message::Binary(bytes) => WsMessage::Binary(bytes),
        Message::Ping(bytes) => WsMessage::Ping(bytes),
        Message::Pong(bytes) => WsMessage::Pong(bytes),
    }
}
