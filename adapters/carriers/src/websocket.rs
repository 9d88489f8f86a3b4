//! A WebSocket as a connection: one binary message is one packet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use tungstenite::Error as WsError;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};
use unbroken_driver::{ByteStream, ConnectError};
use unbroken_proto::Cause;
use unbroken_proto::wire::framing::{MAX_PACKET, MAX_UNPROVEN};

use crate::pollable::{Pollable, Unready, unblock};

/// Bytes that may wait for the carrier before it counts as not ready.
const HIGH_WATER: usize = 128 << 10;
/// Bytes in tungstenite's buffer: packets, one above the mark among them, and pongs. A peer that pings and does
/// not read loses its pongs, then its connection.
const MAX_OUT: usize = HIGH_WATER + 2 * MAX_PACKET;
/// A frame's header with its mask, at most.
const HEADER: usize = 14;
/// Tungstenite clears as much memory before each read.
const READ_BUFFER: usize = 32 << 10;

/// A byte stream that was upgraded to a WebSocket, as a connection.
///
/// Fragmented messages are put together, pings answered, and a close frame's code says what the end means
/// ([`cause_of_close`]). A message longer than a packet may be ends the connection, and so does text.
pub struct WebSocket<S> {
    stream: S,
    context: WebSocketContext,
    /// Bytes of packets in the context's buffer, more or less.
    queued: usize,
    /// Our close frame was asked for.
    closing: bool,
    /// The next message is a stranger's first.
    stranger: bool,
}

impl<S> WebSocket<S> {
    /// The dialling end of an upgraded stream, of which `read` was read already.
    pub(crate) fn dialled(stream: S, read: Vec<u8>) -> WebSocket<S> {
        WebSocket::new(stream, Role::Client, read)
    }

    /// The accepting end of an upgraded stream, of which `read` was read already (mostly nothing). Its first
    /// message is a stranger's, and bounded accordingly.
    pub fn accepted(stream: S, read: Vec<u8>) -> WebSocket<S> {
        WebSocket::new(stream, Role::Server, read)
    }

    fn new(stream: S, role: Role, read: Vec<u8>) -> WebSocket<S> {
        let stranger = role == Role::Server;
        let longest = if stranger { MAX_UNPROVEN } else { MAX_PACKET };
        let config = WebSocketConfig::default()
            .max_message_size(Some(longest))
            .max_frame_size(Some(longest))
            .read_buffer_size(READ_BUFFER)
            // It never writes by itself: flushing is ours, where there is a context to wake.
            .write_buffer_size(MAX_OUT - 1)
            .max_write_buffer_size(MAX_OUT);
        WebSocket {
            stream,
            context: WebSocketContext::from_partially_read(read, role, Some(config)),
            queued: 0,
            closing: false,
            stranger,
        }
    }
}

impl<S: ByteStream> WebSocket<S> {
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut WebSocketContext, &mut Pollable<'_, '_, S>) -> Result<T, WsError>,
    ) -> Poll<io::Result<T>> {
        let stream = &mut self.stream;
        unblock(call(&mut self.context, &mut Pollable { stream, cx }).map_err(failed))
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_with(cx, |context, stream| context.flush(stream)))?;
        self.queued = 0;
        Poll::Ready(Ok(()))
    }

    /// Who was let in with one packet may send longer ones.
    fn known(&mut self) {
        if std::mem::take(&mut self.stranger) {
            self.context.set_config(|config| {
                config.max_message_size = Some(MAX_PACKET);
                config.max_frame_size = Some(MAX_PACKET);
            });
        }
    }
}

impl<S: ByteStream + Unpin> Stream for WebSocket<S> {
    type Item = io::Result<BytesMut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        let this = self.get_mut();
        loop {
            let item = match ready!(this.poll_with(cx, |context, stream| context.read(stream))) {
                Ok(Message::Binary(packet)) => {
                    this.known();
                    Some(Ok(packet
                        .try_into_mut()
                        .unwrap_or_else(|shared| BytesMut::from(&shared[..]))))
                }
                Ok(Message::Text(_)) => Some(Err(ConnectError::new(Cause::Protocol)
                    .with_source("a text message")
                    .into())),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Ok(Message::Close(frame)) => closed(frame).map(Err),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => None,
                Err(error) => Some(Err(error)),
            };
            return Poll::Ready(item);
        }
    }
}

impl<S: ByteStream + Unpin> Sink<Bytes> for WebSocket<S> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.queued > HIGH_WATER {
            return self.get_mut().poll_out(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        let this = self.get_mut();
        this.queued += HEADER + packet.len();
        let written = this
            .context
            .write(&mut Unready, Message::Binary(packet))
            .map_err(failed);
        match written {
            // It took the packet and would have flushed a pong.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            written => written,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let begun = std::mem::replace(&mut this.closing, true);
        let done = match begun {
            true => this.poll_out(cx),
            false => this.poll_with(cx, |context, stream| context.close(stream, Some(goodbye()))),
        };
        done.map(|done| match done {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(()),
            done => done,
        })
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
    let cause = cause_of_close(u16::from(frame.code));
    Some(
        ConnectError::new(cause)
            .with_source(format!("closed with {} {}", u16::from(frame.code), frame.reason))
            .into(),
    )
}

/// What a WebSocket close code means to the machine.
///
/// | code | cause |
/// |---|---|
/// | 1001 going away, 1012 restart, 1013 try again later | server asked |
/// | 1002, 1003, 1007, 1009, 1010 | protocol |
/// | 1008 policy | refused |
/// | 3000 unauthorised, 3003 forbidden | authentication |
/// | 3008 | timeout |
/// | any other | network |
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

/// What tungstenite says as an I/O error; an orderly end is of kind `ConnectionAborted`.
pub(crate) fn failed(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        WsError::ConnectionClosed | WsError::AlreadyClosed => io::ErrorKind::ConnectionAborted.into(),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => io::ErrorKind::ConnectionReset.into(),
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => ConnectError::new(Cause::Protocol)
            .with_source(format!("a message of {size} bytes, of at most {max_size}"))
            .into(),
        error => ConnectError::new(Cause::Protocol).with_source(error).into(),
    }
}
