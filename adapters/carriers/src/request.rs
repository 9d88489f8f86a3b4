//! The accepting end of an upgrade: reading requests, and what they are answered with.

use httparse::Status;
use tungstenite::handshake::derive_accept_key;
use tungstenite::http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use tungstenite::http::uri::Authority;
use tungstenite::http::{self, Method, StatusCode, Uri, Version};

use crate::upgrade::{MAX_HEAD, MAX_HEADERS, SUBPROTOCOL, UpgradeError, has, header_map, refusal, up_to_limit, words};

/// Who begins a line with one of these speaks HTTP, whatever follows (RFC 9110, section 9.3, and RFC 5789).
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// A request received so far: the length of its head and what it says, once that is whole. Any method and any form of target is
/// read (RFC 9112, section 3.2), in HTTP/1.0 and 1.1.
///
/// # Errors
/// It is none, or too long: [`UpgradeError::refusal`] has what to answer.
pub fn parse_request(received: &[u8]) -> Result<Option<(usize, http::Request<()>)>, UpgradeError> {
    let received = up_to_limit(received);
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut lines);
    match head.parse(received) {
        Ok(Status::Complete(length)) => Ok(Some((length, request(&head)?))),
        Ok(Status::Partial) if received.len() < MAX_HEAD => Ok(None),
        Ok(Status::Partial) => Err(FirstLine::of(received).too_long()),
        Err(httparse::Error::TooManyHeaders) => Err(UpgradeError::TooLong),
        Err(_) => {
            let line = FirstLine::of(received);
            match line.flaw() {
                Some(flaw) => Err(flaw),
                None if received.len() < MAX_HEAD => Ok(None),
                None => Err(line.too_long()),
            }
        }
    }
}

/// The method of a request that is whole or not, as far as that shows.
pub(crate) fn method_of(received: &[u8]) -> Method {
    FirstLine::of(received).method().unwrap_or_default()
}

/// What a request begins with, empty lines aside (RFC 9112, section 2.2).
struct FirstLine<'a> {
    line: &'a [u8],
    is_whole: bool,
}

impl FirstLine<'_> {
    fn of(received: &[u8]) -> FirstLine<'_> {
        let begin = received.iter().position(|byte| !b"\r\n".contains(byte));
        let received = &received[begin.unwrap_or(received.len())..];
        let end = received.iter().position(|byte| *byte == b'\n');
        FirstLine {
            line: received[..end.unwrap_or(received.len())].trim_ascii_end(),
            is_whole: end.is_some(),
        }
    }

    /// The first word, if it can be a method.
    fn method(&self) -> Option<Method> {
        let word = self.line.split(|byte| *byte == b' ').next()?;
        Method::from_bytes(word).ok()
    }

    /// What is wrong with a head that begins so and cannot be parsed; `None` if only the rest of the line tells.
    fn flaw(&self) -> Option<UpgradeError> {
        let Some(method) = self.method() else {
            return Some(UpgradeError::Malformed);
        };
        if !self.is_whole {
            return None;
        }
        let last = self.line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        Some(match last.strip_prefix(b"HTTP/") {
            Some(b"1.0" | b"1.1") => UpgradeError::BadRequest("its target or a header is malformed"),
            Some(version) if is_version(version) => UpgradeError::Version,
            None if !METHODS.contains(&method) => UpgradeError::Malformed,
            _ => UpgradeError::BadRequest("its first line is malformed"),
        })
    }

    /// What it is that has no end within the limit.
    fn too_long(&self) -> UpgradeError {
        match self.method() {
            None => UpgradeError::Malformed,
            Some(_) if self.is_whole => UpgradeError::TooLong,
            Some(_) if self.line.contains(&b' ') => UpgradeError::TargetTooLong,
            Some(_) => UpgradeError::Malformed,
        }
    }
}

/// Digits, or digits, a point and digits.
fn is_version(version: &[u8]) -> bool {
    let mut parts = version.splitn(2, |byte| *byte == b'.');
    parts.all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

fn request(head: &httparse::Request<'_, '_>) -> Result<http::Request<()>, UpgradeError> {
    let bad = UpgradeError::BadRequest;
    let method =
        Method::from_bytes(head.method.unwrap_or_default().as_bytes()).map_err(|_| bad("its method is none"))?;
    let uri = target(&method, head.path.unwrap_or_default()).ok_or(bad("its target is malformed"))?;
    let version = match head.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let headers = header_map(head.headers).ok_or(bad("a header is malformed"))?;
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        // RFC 9112, section 3.2.
        (None, _) if version == Version::HTTP_11 => return Err(bad("it has no Host")),
        (_, Some(_)) => return Err(bad("it has more than one Host")),
        (Some(host), None) if !is_host(host) => return Err(bad("its Host is malformed")),
        _ => {}
    }
    if !is_framed(&headers) {
        return Err(bad("where its body ends is not clear"));
    }
    let mut request = http::Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    Ok(request)
}

/// A target in one of the forms that go with the method (RFC 9112, section 3.2).
fn target(method: &Method, text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok().filter(|_| !text.contains('#'))?;
    let fits = match text {
        _ if method == Method::CONNECT => uri.scheme().is_none() && uri.port_u16().is_some(),
        "*" => method == Method::OPTIONS,
        _ => text.starts_with('/') || uri.scheme().is_some(),
    };
    fits.then_some(uri)
}

fn is_host(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    value.is_empty() || Authority::try_from(value).is_ok() && !value.contains(&b'@')
}

/// Whether it is clear where the request's body ends, if there is one (RFC 9112, section 6.3).
fn is_framed(headers: &HeaderMap) -> bool {
    if headers.contains_key(TRANSFER_ENCODING) {
        let last = words(headers, &TRANSFER_ENCODING).last();
        return last.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    }
    let mut lengths = words(headers, &CONTENT_LENGTH);
    match lengths.next() {
        Some(length) => is_number(length) && lengths.all(|other| other == length),
        None => !headers.contains_key(CONTENT_LENGTH),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || words(headers, &CONTENT_LENGTH).any(|length| length.bytes().any(|digit| digit != b'0'))
}

/// What a server answers to a request for a WebSocket: 101 with our subprotocol, or why not.
///
/// For mounting sessions in an HTTP server that hands its upgraded streams out: send the response, then make
/// the upgraded stream a connection with [`WebSocket::accepted`](crate::WebSocket::accepted) or
/// [`upgrading`](crate::upgrading).
///
/// # Errors
/// The response to send instead, with the reason as its body: 405 with `Allow` to another method than GET, 426 with `Upgrade` to
/// what does not ask for a WebSocket of version 13 in HTTP/1.1 (RFC 6455, section 4.4), or 400.
pub fn answer<B>(request: &http::Request<B>) -> Result<http::Response<()>, Box<http::Response<String>>> {
    let key = wanted(request).map_err(|(status, why)| {
        let mut refusal = refusal(status, why);
        let headers = refusal.headers_mut();
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        // With each Upgrade goes this word (RFC 9110, section 7.8).
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        refusal
    })?;
    if !words(request.headers(), &SEC_WEBSOCKET_PROTOCOL).any(|name| name == SUBPROTOCOL) {
        let why = format!("this server speaks {SUBPROTOCOL}");
        return Err(refusal(StatusCode::BAD_REQUEST, &why));
    }
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| refusal(StatusCode::BAD_REQUEST, "no answer to that key"))?;
    let mut response = http::Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

/// The key of a request for a WebSocket, or why it is none (RFC 6455, section 4.2.1).
fn wanted<B>(request: &http::Request<B>) -> Result<&HeaderValue, (StatusCode, &'static str)> {
    let headers = request.headers();
    let no_upgrade = |why| Err((StatusCode::UPGRADE_REQUIRED, why));
    if request.method() != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET asks for a WebSocket"));
    }
    if request.version() != Version::HTTP_11 {
        return no_upgrade("a WebSocket is asked for in HTTP/1.1");
    }
    if !has(headers, &CONNECTION, "upgrade") || !has(headers, &UPGRADE, "websocket") {
        return no_upgrade("here are WebSockets only");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return no_upgrade("a WebSocket is of version 13");
    }
    if has_body(headers) {
        // It would be taken for frames.
        return Err((StatusCode::BAD_REQUEST, "a request for a WebSocket has no body"));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key.as_bytes()) => Ok(key),
        _ => Err((StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is 16 bytes in base64")),
    }
}

/// Whether it is base64 of 16 bytes: 22 characters, of which the last has 2 bits of them, and 2 to fill up.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.strip_suffix(b"==")
        .is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_digit) && b"AQgw".contains(&digits[21]))
}

/// What goes before the answer to a request that waits for it (RFC 9110, sections 7.8 and 10.1.1).
pub(crate) fn interim<B>(request: &http::Request<B>) -> &'static [u8] {
    match has(request.headers(), &EXPECT, "100-continue") {
        true => b"HTTP/1.1 100 Continue\r\n\r\n",
        false => b"",
    }
}

/// A response's head as bytes, in HTTP/1.1.
#[must_use]
pub fn encode_response<B>(response: &http::Response<B>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// A response to a request of `method` that ends its connection, with its body if it has one, as bytes: to HEAD, and with the statuses
/// 1xx, 204 and 304, there is none (RFC 9112, section 6.3).
#[must_use]
pub fn encode_refusal(response: http::Response<String>, method: &Method) -> Vec<u8> {
    let (mut parts, body) = response.into_parts();
    let status = parts.status;
    let headers = &mut parts.headers;
    let connection = match headers.contains_key(UPGRADE) {
        true => "close, upgrade",
        false => "close",
    };
    headers.insert(CONNECTION, HeaderValue::from_static(connection));
    headers.remove(TRANSFER_ENCODING);
    // Neither length nor body (RFC 9110, section 8.6).
    let is_bare = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || (method == Method::CONNECT && status.is_success());
    match is_bare {
        true => headers.remove(CONTENT_LENGTH),
        false => headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len())),
    };
    let mut bytes = encode_response(&http::Response::from_parts(parts, ()));
    if !is_bare && method != Method::HEAD && status != StatusCode::NOT_MODIFIED {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}
