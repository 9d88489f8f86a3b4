//! The HTTP upgrade to WebSocket, both ends, as bytes and types: no I/O.

use std::io;
use std::time::{Duration, SystemTime};

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
use unbroken_proto::Cause;

/// The WebSocket subprotocol of sessions.
pub const SUBPROTOCOL: &str = "unbroken.v1";
/// Longest head of a request or response, both ways.
pub const MAX_HEAD: usize = 16 << 10;

/// A client's upgrade under way: what to send, and what to make of the answer.
pub struct Upgrade {
    request: Vec<u8>,
    accept: String,
}

impl Upgrade {
    /// Asks for `uri`, with `headers` besides those of the upgrade, and offering `subprotocols` behind ours.
    ///
    /// # Errors
    /// A header or subprotocol cannot be sent.
    pub fn new(uri: &Uri, headers: &HeaderMap, subprotocols: &[String]) -> io::Result<Upgrade> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let request = tungstenite::client::IntoClientRequest::into_client_request(uri.clone());
        let mut request = request.map_err(io::Error::other).map_err(invalid)?;
        let offer = [&[SUBPROTOCOL.to_owned()], subprotocols].concat().join(", ");
        let offer = HeaderValue::try_from(offer)
            .map_err(io::Error::other)
            .map_err(invalid)?;
        request.headers_mut().extend(headers.clone());
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offer);
        let (request, key) = generate_request(request).map_err(io::Error::other).map_err(invalid)?;
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
    /// A [`ConnectError`]: the answer is none, or no; its cause says which.
    pub fn answered(&self, received: &[u8]) -> io::Result<Option<usize>> {
        let parsed =
            Response::try_parse(received).map_err(|error| ConnectError::new(Cause::Protocol).with_source(error))?;
        let Some((length, response)) = parsed else {
            return match received.len() < MAX_HEAD {
                true => Ok(None),
                false => Err(ConnectError::new(Cause::Protocol)
                    .with_source("an endless answer to the upgrade")
                    .into()),
            };
        };
        let headers = response.headers();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response.status(), headers, SystemTime::now()).into());
        }
        let is = |name: HeaderName, wanted: &str| {
            let values = headers.get_all(name);
            let mut words = values.iter().filter_map(|value| value.to_str().ok()).flat_map(words);
            words.any(|word| word.eq_ignore_ascii_case(wanted))
        };
        if !is(UPGRADE, "websocket") || !is(CONNECTION, "upgrade") {
            return Err(ConnectError::new(Cause::NoService)
                .with_source("the answer upgrades to something else")
                .into());
        }
        if headers
            .get(SEC_WEBSOCKET_ACCEPT)
            .is_none_or(|accept| accept != &self.accept[..])
        {
            return Err(ConnectError::new(Cause::Protocol)
                .with_source("the answer is to another request")
                .into());
        }
        if headers
            .get(SEC_WEBSOCKET_PROTOCOL)
            .is_none_or(|protocol| protocol != SUBPROTOCOL)
        {
            let why = format!("a WebSocket server that does not speak {SUBPROTOCOL}");
            return Err(ConnectError::new(Cause::NoService).with_source(why).into());
        }
        Ok(Some(length))
    }
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// What an HTTP status means that is not an upgrade.
///
/// | status | cause |
/// |---|---|
/// | 401, 403, 407 | authentication: fresh credentials first |
/// | 429, 503 with `Retry-After` | server asked, not before that |
/// | 404, 405, 410, 426, 501 | no service: final before a session exists |
/// | 408, 504 | timeout |
/// | any other | refused: dialled again by the backoff |
#[must_use]
pub fn cause_of_status(status: u16) -> Cause {
    match status {
        401 | 403 | 407 => Cause::Authentication,
        404 | 405 | 410 | 426 | 501 => Cause::NoService,
        408 | 504 => Cause::Timeout,
        429 | 503 => Cause::ServerAsked,
        _ => Cause::Refused,
    }
}

fn refused(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> ConnectError {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let why = match text(&LOCATION).filter(|_| status.is_redirection()) {
        Some(elsewhere) => format!("the upgrade was answered with {status}, to {elsewhere}"),
        None => format!("the upgrade was answered with {status}"),
    };
    let cause = cause_of_status(status.as_u16());
    let after = text(&RETRY_AFTER).filter(|_| cause == Cause::ServerAsked);
    match after.and_then(|after| retry_after(after, text(&DATE), now)) {
        Some(after) => ConnectError::later(after).with_source(why),
        None => ConnectError::new(cause).with_source(why),
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
        refusal
            .headers_mut()
            .insert(UPGRADE, HeaderValue::from_static("websocket"));
        refusal
            .headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        refusal
    })?;
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(words);
    if !offered.any(|name| name == SUBPROTOCOL) {
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
pub fn parse_request(received: &[u8]) -> io::Result<Option<(usize, http::Request<()>)>> {
    let parsed = http::Request::<()>::try_parse(received)
        .map_err(|error| ConnectError::new(Cause::Protocol).with_source(error))?;
    if parsed.is_none() && received.len() >= MAX_HEAD {
        return Err(ConnectError::new(Cause::Protocol)
            .with_source("an endless request")
            .into());
    }
    Ok(parsed)
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

#[cfg(test)]
mod tests;
