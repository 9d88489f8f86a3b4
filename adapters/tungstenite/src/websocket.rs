//! A WebSocket as a connection: one binary message is one packet.

use std::io;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::server::{ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Message, WebSocket as Upgraded, WebSocketConfig};
use tungstenite::{ClientRequestBuilder, Error};
use unbroken_proto::wire::framing::{MAX_PACKET, MAX_UNPROVEN};
use unbroken_proto::{Cause, Duration};

use crate::connection::{ByteStream, Connection, Watched};
use crate::failure::{ConnectError, is_blocked};

/// What both ends call what they speak.
pub const SUBPROTOCOL: &str = "unbroken.v1";
/// Bytes that may wait for the carrier before it takes no more packets.
const HIGH_WATER: usize = 128 << 10;
/// Bytes in tungstenite's buffer: packets, one above the mark among them, and pongs.
const MAX_OUT: usize = HIGH_WATER + 2 * MAX_PACKET;
/// A frame's header with its mask, at most.
const HEADER: usize = 14;
/// Tungstenite clears as much memory before each read.
const READ_BUFFER: usize = 32 << 10;

type Choose = fn(&Request, Response) -> Result<Response, ErrorResponse>;
type Dialling<S> = MidHandshake<ClientHandshake<Watched<S>>>;
type Accepting<S> = MidHandshake<ServerHandshake<Watched<S>, Choose>>;

/// A byte stream as a WebSocket [`Connection`]: upgraded, fragments put together, pings answered, and a close
/// frame's code says what the end means.
pub struct WebSocket<S: ByteStream> {
    stage: Stage<S>,
    /// Bytes of packets in tungstenite's buffer, more or less.
    queued: usize,
    closing: bool,
    /// The next message is a stranger's first.
    stranger: bool,
}

enum Stage<S: ByteStream> {
    Dialling(Box<Dialling<S>>),
    Accepting(Box<Accepting<S>>),
    Up(Box<Upgraded<Watched<S>>>),
    Broken,
}

impl<S: ByteStream> WebSocket<S> {
    /// The dialling end: asks for an upgrade with `request`, to which the subprotocol is added.
    ///
    /// # Errors
    /// The request is malformed.
    pub fn dialled(stream: S, request: ClientRequestBuilder) -> io::Result<WebSocket<S>> {
        use tungstenite::client::IntoClientRequest;
        let request = request.with_sub_protocol(SUBPROTOCOL);
        let request = request.into_client_request().map_err(crate::failure::invalid)?;
        let handshake = ClientHandshake::start(Watched::new(stream), request, Some(config(MAX_PACKET)));
        let handshake = handshake.map_err(crate::failure::invalid)?;
        Ok(WebSocket::new(Stage::Dialling(Box::new(handshake))))
    }

    /// The accepting end. Its first message is a stranger's, and bounded accordingly.
    pub fn accepted(stream: S) -> WebSocket<S> {
        let config = Some(config(MAX_UNPROVEN));
        let handshake = ServerHandshake::start(Watched::new(stream), choose_subprotocol as Choose, config);
        WebSocket {
            stranger: true,
            ..WebSocket::new(Stage::Accepting(Box::new(handshake)))
        }
    }

    fn new(stage: Stage<S>) -> WebSocket<S> {
        WebSocket {
            stage,
            queued: 0,
            closing: false,
            stranger: false,
        }
    }

    /// What carries it; `None` once the upgrade failed.
    pub fn get_ref(&self) -> Option<&S> {
        self.watched().map(|watched| &watched.stream)
    }

    fn watched(&self) -> Option<&Watched<S>> {
        match &self.stage {
            Stage::Dialling(handshake) => Some(handshake.get_ref().get_ref()),
            Stage::Accepting(handshake) => Some(handshake.get_ref().get_ref()),
            Stage::Up(upgraded) => Some(upgraded.get_ref()),
            Stage::Broken => None,
        }
    }

    fn up(&mut self) -> io::Result<&mut Upgraded<Watched<S>>> {
        self.open()?;
        match &mut self.stage {
            Stage::Up(upgraded) => Ok(upgraded),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Who was let in with one packet may send longer ones.
    fn known(&mut self) {
        if std::mem::take(&mut self.stranger)
            && let Stage::Up(upgraded) = &mut self.stage
        {
            upgraded.set_config(|config| {
                config.max_message_size = Some(MAX_PACKET);
                config.max_frame_size = Some(MAX_PACKET);
            });
        }
    }
}

fn config(longest: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest))
        .read_buffer_size(READ_BUFFER)
        // It never writes by itself: when to flush is ours to say.
        .write_buffer_size(MAX_OUT - 1)
        .max_write_buffer_size(MAX_OUT)
}

/// `Some` of the next stage, or the same one if it has to wait.
fn stage<S: ByteStream, R, F>(
    result: Result<F, HandshakeError<R>>,
    done: fn(F) -> Upgraded<Watched<S>>,
    again: fn(Box<MidHandshake<R>>) -> Stage<S>,
) -> io::Result<Stage<S>>
where
    R: tungstenite::handshake::HandshakeRole,
{
    match result {
        Ok(result) => Ok(Stage::Up(Box::new(done(result)))),
        Err(HandshakeError::Interrupted(handshake)) => Ok(again(Box::new(handshake))),
        Err(HandshakeError::Failure(error)) => Err(failed(error)),
    }
}

impl<S: ByteStream> Connection for WebSocket<S> {
    fn open(&mut self) -> io::Result<()> {
        if matches!(self.stage, Stage::Up(_)) {
            return Ok(());
        }
        match &mut self.stage {
            Stage::Dialling(handshake) => handshake.get_mut().get_mut().stream.open()?,
            Stage::Accepting(handshake) => handshake.get_mut().get_mut().stream.open()?,
            Stage::Up(_) | Stage::Broken => {}
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Dialling(handshake) => stage(handshake.handshake(), |(upgraded, _)| upgraded, Stage::Dialling)?,
            Stage::Accepting(handshake) => stage(handshake.handshake(), |upgraded| upgraded, Stage::Accepting)?,
            other => other,
        };
        match self.stage {
            Stage::Up(_) => Ok(()),
            Stage::Broken => Err(io::ErrorKind::NotConnected.into()),
            Stage::Dialling(_) | Stage::Accepting(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn read(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            match self.up()?.read().map_err(failed) {
                Ok(Message::Binary(packet)) => {
                    self.known();
                    let packet = packet.try_into_mut();
                    return Ok(Some(packet.unwrap_or_else(|shared| BytesMut::from(&shared[..]))));
                }
                Ok(Message::Text(_)) => {
                    return Err(ConnectError::new(Cause::Protocol).with_source("a text message").into());
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(frame)) => return closed(frame).map_or(Ok(None), Err),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Up(_)) && self.queued <= HIGH_WATER
    }

    fn send(&mut self, packet: Vec<u8>) -> io::Result<()> {
        self.queued += HEADER + packet.len();
        let written = self.up()?.write(Message::Binary(Bytes::from(packet)));
        match written.map_err(failed) {
            // It took the packet and would have flushed a pong.
            Err(error) if is_blocked(&error) => Ok(()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.up()?.flush().map_err(failed)?;
        self.queued = 0;
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let begun = std::mem::replace(&mut self.closing, true);
        let upgraded = self.up()?;
        let done = match begun {
            true => upgraded.flush(),
            false => upgraded.close(Some(goodbye())),
        };
        match done.map_err(failed) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(()),
            done => done,
        }
    }

    fn wants_write(&self) -> bool {
        self.watched().is_some_and(|watched| watched.blocked)
    }
}

fn goodbye() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }
}

fn closed(frame: Option<CloseFrame>) -> Option<io::Error> {
    let frame = frame.filter(|frame| frame.code != CloseCode::Normal)?;
    let code = u16::from(frame.code);
    let why = format!("closed with {code} {}", frame.reason);
    Some(ConnectError::new(cause_of_close(code)).with_source(why).into())
}

/// What a WebSocket close code means to the machine: 1001, 1012 and 1013 are the server's wish; 1002, 1003, 1007, 1009
/// and 1010 of the protocol; 1008 a refusal; 3000 and 3003 of credentials; 3008 a timeout; any other, the network.
#[must_use]
pub fn cause_of_close(code: u16) -> Cause {
    match code {
        1001 | 1012 | 1013 => Cause::ServerAsked,
        1002 | 1003 | 1007 | 1009 | 1010 => Cause::Protocol,
        1008 => Cause::Refused,
        3000 | 3003 => Cause::Authentication,
        3008 => Cause::Timeout,
        _ => Cause::Network,
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback is of this shape")]
fn choose_subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    if offered.any(|name| name.trim() == SUBPROTOCOL) {
        let ours = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some(format!("this server speaks {SUBPROTOCOL}\n")));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

/// What tungstenite says as an I/O error; an orderly end is of kind `ConnectionAborted`.
fn failed(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::ConnectionAborted.into(),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete) => {
            io::ErrorKind::ConnectionReset.into()
        }
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            let why = format!("a message of {size} bytes, of at most {max_size}");
            ConnectError::new(Cause::Protocol).with_source(why).into()
        }
        Error::Http(response) => answered(response.status(), response.headers()).into(),
        Error::Protocol(
            error @ (ProtocolError::SecWebSocketSubProtocolError(_)
            | ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader),
        ) => ConnectError::new(Cause::NoService).with_source(error).into(),
        error => ConnectError::new(Cause::Protocol).with_source(error).into(),
    }
}

/// What an HTTP status means that is not an upgrade: 401, 403 and 407 ask for fresh credentials; 404, 405, 410, 426 and 501:
/// there is no such service; 408 and 504: a timeout; 429 and 503: later; any other is a refusal.
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

/// What an HTTP answer in the place of the upgrade means.
fn answered(status: StatusCode, headers: &HeaderMap) -> ConnectError {
    let why = format!("the upgrade was answered with {status}");
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let cause = cause_of_status(status.as_u16());
    let after = text(RETRY_AFTER).filter(|_| cause == Cause::ServerAsked);
    match after.and_then(|after| retry_after(after, text(DATE))) {
        Some(after) => ConnectError::later(after).with_source(why),
        None => ConnectError::new(cause).with_source(why),
    }
}

/// `Retry-After` is a number of seconds or a date, by the server's own clock if it shows that.
fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let left = then.duration_since(now.unwrap_or_else(SystemTime::now));
    Some(left.unwrap_or_default())
}
