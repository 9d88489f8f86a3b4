//! The HTTP upgrade to WebSocket, both ends, as bytes and types: no I/O.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::{Response, generate_request};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{create_response_with_body, write_response};
use tungstenite::http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tungstenite::http::{self, Method, StatusCode, Uri};
use unbroken_driver::ConnectError;
use unbroken_driver::proto::Cause;

use crate::causes::cause_of_status;
use crate::error::AddressError;

/// The WebSocket subprotocol of sessions.
pub const SUBPROTOCOL: &str = "unbroken.v1";
/// Longest head of a request or response, both ways.
pub const MAX_HEAD: usize = 16 << 10;

/// Why an upgrade came to nothing: the source of the [`ConnectError`] that says so.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The answer is another one than 101.
    #[error("the upgrade was answered with {status}{}", location.as_ref().map(|to| format!(", to {to}")).unwrap_or_default())]
    Status {
        /// The answer's status.
        status: StatusCode,
        /// Where a redirection points to. It is not followed.
        location: Option<String>,
    },
    /// The answer is 101, but not to WebSocket.
    #[error("the answer upgrades to something else")]
    NotWebSocket,
    /// The answer's key does not fit the request's.
    #[error("the answer is to another request")]
    WrongKey,
    /// The server speaks WebSocket, but chose another subprotocol than [`SUBPROTOCOL`].
    #[error("a WebSocket server that does not speak {SUBPROTOCOL}")]
    WrongSubprotocol,
    /// A head has no end within [`MAX_HEAD`] bytes.
    #[error("a head of more than {MAX_HEAD} bytes")]
    TooLong,
    /// The bytes are not HTTP.
    #[error(transparent)]
    Malformed(tungstenite::Error),
    /// The connection ended before the head did.
    #[error("the connection ended in the middle of the upgrade")]
    Ended,
    /// On the accepting side: the request was refused, with this status.
    #[error("an upgrade refused with {0}")]
    Refused(StatusCode),
}

impl UpgradeError {
    fn cause(&self) -> Cause {
        match self {
            UpgradeError::Status { status, .. } => cause_of_status(status.as_u16()),
            UpgradeError::NotWebSocket | UpgradeError::WrongSubprotocol => Cause::NoService,
            UpgradeError::WrongKey | UpgradeError::TooLong | UpgradeError::Malformed(_) => Cause::Protocol,
            UpgradeError::Ended => Cause::Network,
            UpgradeError::Refused(_) => Cause::Local,
        }
    }
}

impl From<UpgradeError> for ConnectError {
    fn from(error: UpgradeError) -> ConnectError {
        ConnectError::new(error.cause()).with_source(error)
    }
}

/// A client's upgrade under way: what to send, and what to make of the answer.
///
/// ```
/// use unbroken_carriers::{Upgrade, http};
/// let upgrade = Upgrade::new(&http::Uri::from_static("ws://example.org/"), &http::HeaderMap::new(), &[])?;
/// assert!(upgrade.request().starts_with(b"GET / HTTP/1.1\r\n"));
/// let refused = upgrade.answered(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap_err();
/// assert_eq!(refused.to_string(), "no service: the upgrade was answered with 404 Not Found");
/// # Ok::<(), unbroken_carriers::AddressError>(())
/// ```
pub struct Upgrade {
    request: Vec<u8>,
    accept: String,
}

/// The request may contain a token.
impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}

impl Upgrade {
    /// Asks for `uri`, with `headers` besides those of the upgrade, and offering `subprotocols` behind ours.
    ///
    /// # Errors
    /// [`AddressError::Malformed`], or [`AddressError::Header`] if a header or subprotocol cannot be sent.
    pub fn new(uri: &Uri, headers: &HeaderMap, subprotocols: &[String]) -> Result<Upgrade, AddressError> {
        let mut request = uri.into_client_request().map_err(|_| AddressError::Malformed)?;
        let offer = [&[SUBPROTOCOL.to_owned()], subprotocols].concat().join(", ");
        let offer = HeaderValue::try_from(offer).map_err(|_| AddressError::Header)?;
        request.headers_mut().extend(headers.clone());
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offer);
        let (request, key) = generate_request(request).map_err(|_| AddressError::Header)?;
        let accept = derive_accept_key(key.as_bytes());
        Ok(Upgrade { request, accept })
    }

    /// What to send.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Judges what was received so far: the length of the answer's head once it is whole and fine.
    ///
    /// # Errors
    /// The answer is none, or no: the [`UpgradeError`] inside says which.
    pub fn answered(&self, received: &[u8]) -> Result<Option<usize>, ConnectError> {
        let Some((length, response)) = Response::try_parse(received).map_err(UpgradeError::Malformed)? else {
            return unfinished(received);
        };
        let headers = response.headers();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response.status(), headers, SystemTime::now()));
        }
        if !has(headers, &UPGRADE, "websocket") || !has(headers, &CONNECTION, "upgrade") {
            return Err(UpgradeError::NotWebSocket.into());
        }
        let is = |name, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
        if !is(SEC_WEBSOCKET_ACCEPT, &self.accept) {
            return Err(UpgradeError::WrongKey.into());
        }
        if !is(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
            return Err(UpgradeError::WrongSubprotocol.into());
        }
        Ok(Some(length))
    }
}

/// A head that is not whole yet, unless it is too long already.
fn unfinished<T>(received: &[u8]) -> Result<Option<T>, ConnectError> {
    match received.len() < MAX_HEAD {
        true => Ok(None),
        false => Err(UpgradeError::TooLong.into()),
    }
}

/// The items of a header that is a list, over all its lines.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim))
}

fn has(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    words(headers, name).any(|word| word.eq_ignore_ascii_case(wanted))
}

fn refused(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> ConnectError {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let location = text(&LOCATION).filter(|_| status.is_redirection()).map(str::to_owned);
    let error = UpgradeError::Status { status, location };
    let after = text(&RETRY_AFTER).filter(|_| error.cause() == Cause::ServerAsked);
    match after.and_then(|after| retry_after(after, text(&DATE), now)) {
        Some(after) => ConnectError::later(after).with_source(error),
        None => error.into(),
    }
}

/// `Retry-After` is a number of seconds or a date, by the server's own clock if it shows that.
fn retry_after(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = date
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or(now);
    Some(then.duration_since(now).unwrap_or_default())
}

/// What a server answers to a request for a WebSocket: 101 with our subprotocol, or why not.
///
/// For mounting sessions in an HTTP server that hands its upgraded streams out: send the response, then make
/// the upgraded stream a connection with [`WebSocket::accepted`](crate::WebSocket::accepted) or
/// [`upgrading`](crate::upgrading).
///
/// # Errors
/// The response to send instead: 405, 426, or 400 with the reason as its body.
pub fn answer<B>(request: &http::Request<B>) -> Result<http::Response<()>, Box<http::Response<String>>> {
    let mut response = create_response_with_body(request, || ()).map_err(|error| {
        let status = match request.method() {
            &Method::GET => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::METHOD_NOT_ALLOWED,
        };
        let mut refusal = refusal(status, format!("{error}\n"));
        let headers = refusal.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        refusal
    })?;
    if !words(request.headers(), &SEC_WEBSOCKET_PROTOCOL).any(|name| name == SUBPROTOCOL) {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            format!("this server speaks {SUBPROTOCOL}\n"),
        ));
    }
    let ours = HeaderValue::from_static(SUBPROTOCOL);
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
    Ok(response)
}

fn refusal(status: StatusCode, body: String) -> Box<http::Response<String>> {
    let mut refusal = http::Response::new(body);
    *refusal.status_mut() = status;
    Box::new(refusal)
}

/// A request received so far: the length of its head and what it says, once that is whole.
///
/// # Errors
/// It is no request, or too long.
pub fn parse_request(received: &[u8]) -> Result<Option<(usize, http::Request<()>)>, ConnectError> {
    match http::Request::<()>::try_parse(received).map_err(UpgradeError::Malformed)? {
        Some(parsed) => Ok(Some(parsed)),
        None => unfinished(received),
    }
}

/// A response as bytes.
///
/// # Errors
/// A header is not text.
pub fn encode_response(response: &http::Response<()>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_response(&mut bytes, response).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A response that ends its connection, with its body, as bytes.
///
/// # Errors
/// A header is not text.
pub fn encode_refusal(response: http::Response<String>) -> io::Result<Vec<u8>> {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut bytes = encode_response(&http::Response::from_parts(parts, ()))?;
    bytes.extend_from_slice(body.as_bytes());
    Ok(bytes)
}
