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
use tokio_tungstenite::tungstenite::http::header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};
use unbroken_driver::{Connected, Deferred, DialError, Dialler};
use unbroken_proto::config::MAX_PACKET;
use unbroken_proto::{Cause, Duration, ReconnectIntent};

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

/// Dials a `ws://` address, or the intent's alternate where that is one. For
/// [`connect_with`](crate::connect_with), on its own or inside a [`Reconnector`](crate::Reconnector).
pub fn dialler(url: Uri) -> impl Dialler {
    move |intent: ReconnectIntent| {
        let alternate = std::str::from_utf8(&intent.alternate).ok();
        let elsewhere = alternate.and_then(|alternate| parse(alternate).ok());
        dial(elsewhere.unwrap_or_else(|| url.clone()))
    }
}

/// Dials a `ws://` address once.
///
/// # Errors
/// As the system says, or the server does not speak WebSocket or our subprotocol. An HTTP status in the place of
/// the upgrade is a [`DialError`]: 401, 403 and 407 ask for fresh credentials, 429 and 503 for patience (as long as their
/// Retry-After says in seconds), 408 and 504 are timeouts, and every other one is a refusal.
pub async fn dial(url: Uri) -> io::Result<Connected> {
    dial_with(url, &[]).await
}

/// As [`dial`], with header fields of one's own in the request (`Authorization` and the like).
///
/// # Errors
/// As [`dial`], or a field is malformed.
pub async fn dial_with(url: Uri, headers: &[(&str, &str)]) -> io::Result<Connected> {
    let host = url
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let stream = TcpStream::connect((host, url.port_u16().unwrap_or(80))).await?;
    stream.set_nodelay(true)?;
    Ok(Connected::ordered(client_with(stream, url, headers).await?))
}

/// Makes a dialled byte stream (TLS, a proxy's tunnel, …) a WebSocket connection to `url`.
///
/// # Errors
/// The stream breaks, or the server answers as in [`dial`].
pub async fn client<S>(stream: S, url: Uri) -> io::Result<WsConnection<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    client_with(stream, url, &[]).await
}

/// As [`client`], with header fields of one's own in the request.
///
/// # Errors
/// As [`client`], or a field is malformed.
pub async fn client_with<S>(stream: S, url: Uri, headers: &[(&str, &str)]) -> io::Result<WsConnection<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let plain = ClientRequestBuilder::new(url).with_sub_protocol(SUBPROTOCOL);
    let request = headers
        .iter()
        .fold(plain, |request, (name, value)| request.with_header(*name, *value));
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
        Error::Http(response) => answered(response.status(), response.headers())
            .with_source(Error::Http(response))
            .into(),
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

/// What an HTTP status in the place of the upgrade means.
fn answered(status: StatusCode, headers: &HeaderMap) -> DialError {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            DialError::new(Cause::Authentication)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map_or_else(
                || DialError::new(Cause::ServerAsked),
                |seconds| DialError::later(Duration::from_secs(seconds)),
            ),
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => DialError::new(Cause::Timeout),
        _ => DialError::new(Cause::Refused),
    }
}
