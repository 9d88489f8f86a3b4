//! The dialling end of an upgrade: what is asked, and what to make of the answer.

use std::fmt;
use std::time::{Duration, SystemTime};

use httparse::Status;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::generate_request;
use tungstenite::handshake::derive_accept_key;
use tungstenite::http::header::{
    CONNECTION, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use tungstenite::http::{self, StatusCode, Uri, Version};
use unbroken_driver::ConnectError;
use unbroken_driver::proto::Cause;

use crate::error::AddressError;
use crate::upgrade::{MAX_HEAD, MAX_HEADERS, SUBPROTOCOL, UpgradeError, has, header_map, up_to_limit};

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

    /// Judges what was received so far: the length of the answer's head once it is whole and fine, with the interim ones before it
    /// (100, 102, 103: RFC 9110, section 15.2). An answer in HTTP/1.0 is judged by its status as any other, but upgrades nothing.
    ///
    /// # Errors
    /// The answer is none, or no: the [`UpgradeError`] inside says which.
    pub fn answered(&self, received: &[u8]) -> Result<Option<usize>, ConnectError> {
        let received = up_to_limit(received);
        let mut length = 0;
        // Each round takes some of what was received.
        while let Some((more, answer)) = parse_answer(&received[length..])? {
            length += more;
            match answer.status() {
                StatusCode::SWITCHING_PROTOCOLS => return Ok(self.switched(&answer).map(|()| Some(length))?),
                status if status.is_informational() => {}
                status => return Err(refused(status, answer.headers(), SystemTime::now())),
            }
        }
        match received.len() < MAX_HEAD {
            true => Ok(None),
            false => Err(UpgradeError::TooLong.into()),
        }
    }

    /// Whether a 101 is one to our request.
    fn switched(&self, answer: &http::Response<()>) -> Result<(), UpgradeError> {
        let headers = answer.headers();
        if answer.version() != Version::HTTP_11 {
            return Err(UpgradeError::OldVersion);
        }
        if !has(headers, &UPGRADE, "websocket") || !has(headers, &CONNECTION, "upgrade") {
            return Err(UpgradeError::NotWebSocket);
        }
        let is = |name, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
        if !is(SEC_WEBSOCKET_ACCEPT, &self.accept) {
            return Err(UpgradeError::WrongKey);
        }
        if !is(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
            return Err(UpgradeError::WrongSubprotocol);
        }
        Ok(())
    }
}

/// An answer received so far: the length of its head and what that says, once it is whole.
fn parse_answer(received: &[u8]) -> Result<Option<(usize, http::Response<()>)>, UpgradeError> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut lines);
    let length = match head.parse(received) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(UpgradeError::TooLong),
        Err(_) => return Err(UpgradeError::Malformed),
    };
    let status = StatusCode::from_u16(head.code.unwrap_or_default()).map_err(|_| UpgradeError::Malformed)?;
    let mut answer = http::Response::new(());
    *answer.status_mut() = status;
    *answer.version_mut() = match head.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    *answer.headers_mut() = header_map(head.headers).ok_or(UpgradeError::Malformed)?;
    Ok(Some((length, answer)))
}

fn refused(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> ConnectError {
    // What is not text is shown as what it is, and is no address.
    let location = headers.get(LOCATION).filter(|_| status.is_redirection()).map(|value| {
        let escaped = |_| value.as_bytes().escape_ascii().to_string();
        value.to_str().map_or_else(escaped, str::to_owned)
    });
    let error = UpgradeError::Status { status, location };
    match retry_after(headers, now).filter(|_| error.cause() == Cause::ServerAsked) {
        Some(after) => ConnectError::later(after).with_source(error),
        None => error.into(),
    }
}

/// How long an answer with these headers asks to wait: `Retry-After` (RFC 9110, section 10.2.3), which is a number of seconds, or a date by the
/// server's own clock if it shows that (`Date`), and by ours, `now`, if not. A date that is over asks for no wait.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let value = text(&RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let now = text(&DATE).and_then(date).unwrap_or(now);
    Some(date(value)?.duration_since(now).unwrap_or_default())
}
