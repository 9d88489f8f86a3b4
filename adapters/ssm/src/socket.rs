//! Dials the service: TCP, TLS and the upgrade to WebSocket.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{ProtocolError, UrlError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use unbroken_proto::reconnect::Cause;
use unbroken_proto::time::Duration;
use unbroken_tokio::carriers::Tls;
use unbroken_tokio::carriers::causes::{cause_of_status, cause_of_tls};
use unbroken_tokio::carriers::driver::{KnownAddresses, connect_host};
use unbroken_tokio::carriers::http::header::{HeaderMap, RETRY_AFTER};
use unbroken_tokio::carriers::http::{Response, Uri};
use unbroken_tokio::{Compat, ConnectError, Tokio};

/// Longest message that is taken: the largest frame that a peer is known to take, and its header.
const MAX_MESSAGE: usize = (1 << 20) + 1_024;
/// Bytes that tungstenite gathers before it writes without being asked to.
const WRITE_BUFFER: usize = 64 << 10;
/// Bytes that it reads at once.
const READ_BUFFER: usize = 64 << 10;

/// A stream of bytes beneath a WebSocket.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A WebSocket that is open.
pub(crate) type Socket = WebSocketStream<Box<dyn Io>>;

/// How the messages of this protocol are read and written.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Where dials go: the parts of a stream URL.
struct Target<'a> {
    host: &'a str,
    port: u16,
    is_secure: bool,
}

impl Target<'_> {
    fn of(url: &Uri) -> Result<Target<'_>, ConnectError> {
        let is_secure = match url.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(invalid(url, "its scheme is neither ws nor wss")),
        };
        let host = url.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| invalid(url, "it names no host"))?;
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Ok(Target { host, port, is_secure })
    }
}

/// A URL without its query, which may hold a signature.
fn shown(url: &Uri) -> String {
    let authority = url.authority().map(ToString::to_string).unwrap_or_default();
    format!("{}://{authority}{}", url.scheme_str().unwrap_or_default(), url.path())
}

fn invalid(url: &Uri, why: &str) -> ConnectError {
    ConnectError::new(Cause::Local).with_source(format!("the stream URL {} is of no use: {why}", shown(url)))
}

/// Opens a WebSocket at `url`, with these header lines besides those that the upgrade takes.
pub(crate) async fn dial(
    url: &Uri,
    headers: HeaderMap,
    tls: Option<&Tls>,
    known: &KnownAddresses,
    limit: Duration,
) -> Result<Socket, ConnectError> {
    let target = Target::of(url)?;
    let (Compat(stream), _) = connect_host(&Tokio, target.host, target.port, known, Some(limit)).await?;
    let stream: Box<dyn Io> = match target.is_secure {
        true => Box::new(secure(stream, target.host, tls).await?),
        false => Box::new(stream),
    };
    let mut request = url.into_client_request().map_err(|error| failed(&error))?;
    request.headers_mut().extend(headers);
    let (socket, _) = client_async_with_config(request, stream, Some(config()))
        .await
        .map_err(|error| failed(&error))?;
    Ok(socket)
}

async fn secure<S: Io>(stream: S, host: &str, tls: Option<&Tls>) -> Result<impl Io + use<S>, ConnectError> {
    let tls = match tls {
        Some(tls) => tls.clone(),
        None => Tls::platform().map_err(|error| ConnectError::new(Cause::Local).with_source(error))?,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectError::new(Cause::Untrusted).with_source(format!("{host} cannot be in a certificate")))?;
    TlsConnector::from(Arc::clone(tls.config()))
        .connect(name, stream)
        .await
        .map_err(|error| ConnectError::new(cause_of_io(&error)).with_source(error))
}

/// What an error of a socket means; rustls puts its own inside.
fn cause_of_io(error: &io::Error) -> Cause {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, error.kind()) {
        (Some(error), _) => cause_of_tls(error),
        (None, io::ErrorKind::TimedOut) => Cause::Timeout,
        (None, io::ErrorKind::ConnectionRefused) => Cause::Refused,
        (None, _) => Cause::Network,
    }
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
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|after| after.to_str().ok());
    let error = match after.and_then(|after| after.trim().parse().ok()) {
        Some(seconds) if matches!(status.as_u16(), 429 | 503) => ConnectError::later(Duration::from_secs(seconds)),
        _ => ConnectError::new(cause_of_status(status.as_u16())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says() {
        let read = |url: &str| {
            let url: Uri = url.parse().expect("a URL");
            Target::of(&url).map(|target| (target.host.to_owned(), target.port, target.is_secure))
        };
        let host = |host: &str, port, is_secure| (host.to_owned(), port, is_secure);
        assert_eq!(
            read("wss://a.example/v1?role=x").ok(),
            Some(host("a.example", 443, true))
        );
        assert_eq!(read("ws://a.example").ok(), Some(host("a.example", 80, false)));
        assert_eq!(read("ws://[::1]:8080/v1").ok(), Some(host("::1", 8_080, false)));
        for wrong in ["http://a.example/", "/v1/data-channel", "wss://:443/"] {
            let Ok(url) = wrong.parse::<Uri>() else { continue };
            let error = Target::of(&url).err().expect("an error");
            assert_eq!(error.cause(), Cause::Local, "{wrong}");
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let url = "wss://h/v1/data-channel/s?X-Amz-Signature=secret"
            .parse()
            .expect("a URL");
        assert_eq!(shown(&url), "wss://h/v1/data-channel/s");
    }
}
