//! The HTTP upgrade to WebSocket, as bytes and types, no I/O: what both ends share. The dialling end is in `response`, the accepting
//! one in `request`.

use thiserror::Error;
use tungstenite::http::header::{HeaderMap, HeaderName, HeaderValue};
use tungstenite::http::{self, StatusCode};
use unbroken_driver::ConnectError;
use unbroken_driver::proto::Cause;

use crate::causes::cause_of_status;
use crate::redirect::RedirectError;

/// The WebSocket subprotocol of sessions.
pub const SUBPROTOCOL: &str = "unbroken.v1";
/// Longest head of a request, and of an answer with the interim ones before it.
pub const MAX_HEAD: usize = 16 << 10;
/// Header lines of a request or an answer at most.
pub const MAX_HEADERS: usize = 128;

/// Why an upgrade came to nothing: the source of the [`ConnectError`] that says so.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The answer is another one than 101.
    #[error("the upgrade was answered with {status}{}", to(location.as_deref()))]
    Status {
        /// The answer's status.
        status: StatusCode,
        /// Where a redirection points to, as it stands there. [`dial`](crate::dial) follows some: see
        /// [`Address::redirects_to`](crate::Address::redirects_to).
        location: Option<String>,
    },
    /// The answer redirects, and that is not followed.
    #[error("the upgrade was answered with {status}{}, which is not followed: {why}", to(location.as_deref()))]
    NotFollowed {
        /// The answer's status.
        status: StatusCode,
        /// Where it points to.
        location: Option<String>,
        /// Why it is not followed.
        why: RedirectError,
    },
    /// The answer is 101, but not to WebSocket.
    #[error("the answer upgrades to something else")]
    NotWebSocket,
    /// The answer is 101 in HTTP/1.0, which has no upgrade (RFC 9110, section 7.8).
    #[error("the answer upgrades in HTTP/1.0, which has no upgrade")]
    OldVersion,
    /// The answer's key does not fit the request's.
    #[error("the answer is to another request")]
    WrongKey,
    /// The server speaks WebSocket, but chose another subprotocol than [`SUBPROTOCOL`].
    #[error("a WebSocket server that does not speak {SUBPROTOCOL}")]
    WrongSubprotocol,
    /// A head has no end within [`MAX_HEAD`] bytes, or more than [`MAX_HEADERS`] lines. A request is answered with 431 (RFC 6585,
    /// section 5).
    #[error("a head of more than {MAX_HEAD} bytes or {MAX_HEADERS} lines")]
    TooLong,
    /// A request's first line has no end within [`MAX_HEAD`] bytes. It is answered with 414 (RFC 9110, section 15.5.15).
    #[error("a request's first line of more than {MAX_HEAD} bytes")]
    TargetTooLong,
    /// The bytes are not HTTP. Nothing is answered.
    #[error("this is not HTTP")]
    Malformed,
    /// A request that breaks HTTP's rules. It is answered with 400 (RFC 9110, section 15.5.1).
    #[error("a request that breaks HTTP's rules: {0}")]
    BadRequest(&'static str),
    /// A request in another version of HTTP than 1.0 and 1.1. It is answered with 505 (RFC 9110, section 15.6.6).
    #[error("a request in another version of HTTP than 1.0 and 1.1")]
    Version,
    /// The connection ended before the head did.
    #[error("the connection ended in the middle of the upgrade")]
    Ended,
    /// On the accepting side: the request was refused, with this status.
    #[error("an upgrade refused with {0}")]
    Refused(StatusCode),
}

fn to(location: Option<&str>) -> String {
    location.map(|to| format!(", to {to}")).unwrap_or_default()
}

impl UpgradeError {
    pub(crate) fn cause(&self) -> Cause {
        match self {
            UpgradeError::Status { status, .. } | UpgradeError::NotFollowed { status, .. } => {
                cause_of_status(status.as_u16())
            }
            UpgradeError::NotWebSocket | UpgradeError::WrongSubprotocol => Cause::NoService,
            UpgradeError::OldVersion
            | UpgradeError::WrongKey
            | UpgradeError::TooLong
            | UpgradeError::TargetTooLong
            | UpgradeError::Malformed
            | UpgradeError::BadRequest(_)
            | UpgradeError::Version => Cause::Protocol,
            UpgradeError::Ended => Cause::Network,
            UpgradeError::Refused(_) => Cause::Local,
        }
    }

    /// What a request is answered with that [`parse_request`](crate::parse_request) could not read; `None` if it is not HTTP, or has
    /// an answer already.
    #[must_use]
    pub fn refusal(&self) -> Option<Box<http::Response<String>>> {
        let status = match self {
            UpgradeError::TooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            UpgradeError::TargetTooLong => StatusCode::URI_TOO_LONG,
            UpgradeError::BadRequest(_) => StatusCode::BAD_REQUEST,
            UpgradeError::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            _ => return None,
        };
        Some(refusal(status, &self.to_string()))
    }
}

impl From<UpgradeError> for ConnectError {
    fn from(error: UpgradeError) -> ConnectError {
        ConnectError::new(error.cause()).with_source(error)
    }
}

/// A refusal with its reason in a line of text.
pub(crate) fn refusal(status: StatusCode, why: &str) -> Box<http::Response<String>> {
    let mut refusal = http::Response::new(format!("{why}\n"));
    *refusal.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    refusal.headers_mut().insert(http::header::CONTENT_TYPE, text);
    Box::new(refusal)
}

/// No further than a head may go, so that one in pieces is judged as a whole one is.
pub(crate) fn up_to_limit(received: &[u8]) -> &[u8] {
    &received[..received.len().min(MAX_HEAD)]
}

/// The items of a header that is a list, over all its lines.
pub(crate) fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim))
}

pub(crate) fn has(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    words(headers, name).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// Names and values of a head's lines; `None` if one is none.
pub(crate) fn header_map(lines: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some(headers)
}
