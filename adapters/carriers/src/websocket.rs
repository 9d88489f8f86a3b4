//! A WebSocket as a connection: one binary message is one packet.

use std::fmt;
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
use unbroken_driver::proto::Cause;
use unbroken_driver::proto::wire::framing::{MAX_PACKET, MAX_UNPROVEN};
use unbroken_driver::{Budget, ByteStream, ConnectError, Connection};

use crate::causes::cause_of_close;
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

/// Control frames that a stranger may send before its first packet.
const STRANGERS_FRAMES: u32 = 16;
/// Bytes that a stranger may send up to its first packet's end, all frames counted.
const STRANGERS_BYTES: usize = MAX_UNPROVEN + (4 << 10);

/// A byte stream that was upgraded to a WebSocket, as a connection.
///
/// Fragmented messages are put together, pings answered, and a close frame's code says what the end means
/// ([`cause_of_close`]). A message longer than a packet may be ends the connection, and so does text. Before its first
/// packet a stranger may send no more than 16 control frames, and 4 KiB beyond that packet.
pub struct WebSocket<S> {
    stream: S,
    context: WebSocketContext,
    /// Bytes of packets in the context's buffer, more or less.
    queued: usize,
    /// Bytes read of a message that is not whole yet, and not told of.
    partial: usize,
    /// Our close frame was asked for.
    closing: bool,
    /// What a stranger has sent so far; `None` once its first packet is here.
    stranger: Option<Stranger>,
}

/// What somebody sent who has proven nothing.
#[derive(Default)]
struct Stranger {
    control_frames: u32,
    bytes: usize,
}

impl Stranger {
    fn is_too_loud(&self) -> bool {
        self.control_frames > STRANGERS_FRAMES || self.bytes > STRANGERS_BYTES
    }
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
        let stranger = (role == Role::Server).then(|| Stranger {
            bytes: read.len(),
            ..Stranger::default()
        });
        let longest = if stranger.is_some() { MAX_UNPROVEN } else { MAX_PACKET };
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
            partial: 0,
            closing: false,
            stranger,
        }
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("unwritten", &self.queued)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

impl<S: ByteStream> WebSocket<S> {
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        budget: &mut Budget,
        call: impl FnOnce(&mut WebSocketContext, &mut Pollable<'_, '_, S>) -> Result<T, WsError>,
    ) -> Poll<io::Result<T>> {
        let mut stream = Pollable::new(&mut self.stream, cx, budget);
        let result = call(&mut self.context, &mut stream);
        self.partial += stream.received;
        if let Some(stranger) = &mut self.stranger {
            stranger.bytes += stream.received;
        }
        unblock(result.map_err(failed))
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_with(cx, &mut Budget::new(), |context, stream| context.flush(stream)))?;
        self.queued = 0;
        Poll::Ready(Ok(()))
    }

    /// The next message that is no ping and no pong.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Message>> {
        let budget = &mut Budget::new();
        loop {
            // A full buffer holds thousands of control frames, so that each takes a step, too.
            ready!(budget.poll_step(cx));
            let message = self.poll_with(cx, budget, |context, stream| context.read(stream));
            let control = matches!(&message, Poll::Ready(Ok(Message::Ping(_) | Message::Pong(_))));
            if !message.is_pending() {
                self.partial = 0;
            }
            if let Some(stranger) = &mut self.stranger {
                stranger.control_frames += u32::from(control);
                if (control || message.is_pending()) && stranger.is_too_loud() {
                    return Poll::Ready(Err(protocol("too much before the first packet")));
                }
            }
            if !control {
                return message;
            }
        }
    }

    /// Who was let in with one packet may send longer ones.
    fn known(&mut self) {
        if self.stranger.take().is_some() {
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
        Poll::Ready(match ready!(this.poll_message(cx)) {
            Ok(Message::Binary(packet)) => {
                this.known();
                let packet = packet.try_into_mut();
                Some(Ok(packet.unwrap_or_else(|shared| BytesMut::from(&shared[..]))))
            }
            Ok(Message::Close(frame)) => closed(frame).map(Err),
            Ok(_) => Some(Err(protocol("a text message"))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl<S: ByteStream + Unpin + Send> Connection for WebSocket<S> {
    fn take_partial(self: Pin<&mut Self>) -> usize {
        let this = self.get_mut();
        std::mem::take(&mut this.partial) + this.stream.take_partial()
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
            false => this.poll_with(cx, &mut Budget::new(), |context, stream| {
                context.close(stream, Some(goodbye()))
            }),
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

/// What the peer's close frame says, unless it is an orderly end.
fn closed(frame: Option<CloseFrame>) -> Option<io::Error> {
    let frame = frame.filter(|frame| frame.code != CloseCode::Normal)?;
    let code = u16::from(frame.code);
    let error = ConnectError::new(cause_of_close(code));
    Some(error.with_source(format!("closed with {code} {}", frame.reason)).into())
}

fn protocol(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    ConnectError::new(Cause::Protocol).with_source(why).into()
}

/// What tungstenite says as an I/O error; an orderly end is of kind `ConnectionAborted`.
fn failed(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        WsError::ConnectionClosed | WsError::AlreadyClosed => io::ErrorKind::ConnectionAborted.into(),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => io::ErrorKind::ConnectionReset.into(),
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            protocol(format!("a message of {size} bytes, of at most {max_size}"))
        }
        error => protocol(error),
    }
}
