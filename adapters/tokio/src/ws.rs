//! Sessions over WebSocket: one binary message is one packet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri, header::SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};
use unbroken_driver::{Connected, Deferred};
use unbroken_proto::config::MAX_PACKET;

/// The WebSocket subprotocol of sessions.
pub const SUBPROTOCOL: &str = "unbroken.v1";

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_PACKET))
        .max_frame_size(Some(MAX_PACKET))
        // Tungstenite clears as much memory before each read.
        .read_buffer_size(32 << 10)
}

/// Reads a `ws://` address.
///
/// # Errors
/// It is none.
pub fn parse(url: &str) -> io::Result<Uri> {
    let uri: Uri = url.parse().map_err(crate::invalid)?;
    match (uri.scheme_str(), uri.host()) {
        (Some("ws"), Some(_)) => Ok(uri),
        _ => Err(crate::invalid("not a ws:// address")),
    }
}

/// Dials a `ws://` address once.
///
/// # Errors
/// As the system says, or the server does not speak WebSocket or our subprotocol.
pub async fn dial(url: Uri) -> io::Result<Connected> {
    let host = url
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let stream = TcpStream::connect((host, url.port_u16().unwrap_or(80))).await?;
    stream.set_nodelay(true)?;
    Ok(Connected::ordered(client(stream, url).await?))
}

/// Makes a dialled byte stream (TLS, a proxy's tunnel, …) a WebSocket connection to `url`.
///
/// # Errors
/// The stream breaks, or the server does not speak WebSocket or our subprotocol.
pub async fn client<S>(stream: S, url: Uri) -> io::Result<WsConnection<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = ClientRequestBuilder::new(url).with_sub_protocol(SUBPROTOCOL);
    let (stream, _response) = client_async_with_config(request, stream, Some(config()))
        .await
        .map_err(failed)?;
    Ok(WsConnection(stream))
}

/// An accepted byte stream as a WebSocket connection, for [`Server::serve`](crate::Server::serve).
/// The upgrade happens when the connection is first read, so that it counts as one that has said
/// nothing until then.
pub fn accepted<S>(stream: S) -> Connected
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Connected::ordered(Deferred::new(async {
        accept_hdr_async_with_config(stream, choose_subprotocol, Some(config()))
            .await
            .map(WsConnection)
            .map_err(failed)
    }))
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback is of this shape")]
fn choose_subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    if offered
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == SUBPROTOCOL)
    {
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some(format!("this server speaks {SUBPROTOCOL}\n")));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

/// A WebSocket as a connection.
pub struct WsConnection<S>(WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WsConnection<S> {
    type Item = io::Result<BytesMut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        loop {
            let packet = match ready!(Pin::new(&mut self.0).poll_next(cx)) {
                Some(Ok(Message::Binary(packet))) => Ok(packet
                    .try_into_mut()
                    .unwrap_or_else(|shared| BytesMut::from(&shared[..]))),
                Some(Ok(Message::Text(_))) => Err(io::Error::new(io::ErrorKind::InvalidData, "text message")),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(None),
                Some(Err(error)) => Err(failed(error)),
            };
            return Poll::Ready(Some(packet));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Bytes> for WsConnection<S> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_ready(cx).map_err(failed)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        Pin::new(&mut self.0)
            .start_send(Message::Binary(packet))
            .map_err(failed)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx).map_err(failed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx).map_err(failed)
    }
}

fn failed(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::ConnectionAborted.into(),
        Error::Http(_) => io::Error::new(io::ErrorKind::ConnectionRefused, error),
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
