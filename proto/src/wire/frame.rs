//! The frames of a sealed packet, as values.

use bytes::Bytes;

use crate::config::{FRAME_CHARGE, MAX_LABEL, MAX_REASON};
use crate::id::StreamId;
use crate::wire::{cursor, handshake, varint};

/// Smallest fragment size an OPEN may state.
pub const FRAGMENT_MIN: u64 = 1_000;
/// Largest fragment size an OPEN may state.
pub const FRAGMENT_MAX: u64 = 64_000;
/// Longest alternate address in GOAWAY and END, in bytes.
pub const MAX_ALTERNATE: usize = 1_024;

/// The type bytes.
pub(crate) mod kind {
    pub(crate) const OPEN: u8 = 0x01;
    pub(crate) const RESET: u8 = 0x02;
    pub(crate) const STOP: u8 = 0x03;
    pub(crate) const CREDIT: u8 = 0x04;
    pub(crate) const CLOSE: u8 = 0x05;
    pub(crate) const CLOSED: u8 = 0x08;
    pub(crate) const END: u8 = 0x09;
    pub(crate) const ACK: u8 = 0x0a;
    pub(crate) const FROM: u8 = 0x0b;
    pub(crate) const RESYNC: u8 = 0x0c;
    pub(crate) const PING: u8 = 0x0d;
    pub(crate) const PONG: u8 = 0x0e;
    pub(crate) const GOAWAY: u8 = 0x0f;
    pub(crate) const REKEY: u8 = 0x10;
    pub(crate) const FINAL: u8 = 0x11;
    /// DATA without flags; the four low bits are flags.
    pub(crate) const DATA: u8 = 0x40;
    pub(crate) const DATA_LAST: u8 = 0x4f;
}

/// A message ends behind the payload.
pub(crate) const DATA_MESSAGE_END: u8 = 0x01;
/// The stream ends behind the payload.
pub(crate) const DATA_STREAM_END: u8 = 0x02;
/// The stream is that of the last DATA or OPEN in the packet, and left out.
pub(crate) const DATA_SAME_STREAM: u8 = 0x04;
/// The payload is all that is left of the packet.
pub(crate) const DATA_LENGTH_OMITTED: u8 = 0x08;

/// One frame. Sequenced frames (see [`is_sequenced`](Frame::is_sequenced)) have positions and are
/// kept until acknowledged; the others concern one connection only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Application bytes. Sequenced.
    Data(Data),
    /// Begins a stream. Sequenced.
    Open(Open),
    /// The sender abandons the stream. Sequenced.
    Reset { /** The stream. */ stream: StreamId, /** The application's code. */ code: u64 },
    /// Asks the peer to stop sending on the stream. Sequenced.
    Stop { /** The stream. */ stream: StreamId, /** The application's code. */ code: u64 },
    /// Flow control: the sum of DATA charges allowed so far. Stream 0 is the session. Sequenced.
    Credit { /** The stream, or 0. */ stream: u64, /** Absolute limit. */ limit: u64 },
    /// The last sequenced frame of its sender.
    Close(Close),
    /// Answer to CLOSE.
    Closed { /** The answering end's final position. */ position: u64 },
    /// Why this is over.
    End(End),
    /// Everything below is the peer's now.
    Ack { /** First position not yet held. */ position: u64 },
    /// The next sequenced frame on this connection has this position.
    From { /** That position. */ position: u64 },
    /// Nothing more is read from earlier connections; send from here.
    Resync { /** First position missing. */ position: u64 },
    /// Asks for a PONG.
    Ping { /** Repeated in the answer. */ id: u64 },
    /// Answers a PING.
    Pong { /** The PING's. */ id: u64 },
    /// Leave this connection.
    GoAway { /** Milliseconds from now. */ within: u64, /** Where to, in the hosts' format, up to 1,024 bytes; may be empty. */ alternate: Bytes },
    /// The next packet this way uses the next key.
    Rekey,
    /// First frame of the server's first sealed packet after AUTH_PROOF.
    Final(Final),
}

impl Frame {
    /// Application bytes in it.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        match self {
            Frame::Data(data) => data.payload.len() as u64,
            _ => 0,
        }
    }

    /// Whether the frame has a position and is kept until acknowledged.
    #[must_use]
    pub fn is_sequenced(&self) -> bool {
        matches!(
            self,
            Frame::Data(_) | Frame::Open(_) | Frame::Reset { .. } | Frame::Stop { .. } | Frame::Credit { .. } | Frame::Close(_)
        )
    }

    /// What a sequenced frame counts against bounds and credit, on both sides alike and however it was
    /// packed: DATA its payload and 64, any other its [`encoded_len`](Frame::encoded_len) and 64.
    #[must_use]
    pub fn charge(&self) -> usize {
        match self {
            Frame::Data(data) if cfg!(planted = "wire_charge") && data.payload.is_empty() => 0,
            Frame::Data(data) => data.charge(),
            other => other.encoded_len() + FRAME_CHARGE,
        }
    }

    /// Length of the canonical encoding: type byte included, nothing left out, every integer as short
    /// as it can be. No packet spends more on the frame.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let integers = |values: &[u64]| values.iter().map(|value| varint::len(*value)).sum::<usize>();
        let optional = |value: Option<u64>| 1 + value.map_or(0, varint::len);
        1 + match self {
            Frame::Data(data) => {
                let payload = data.payload.len();
                integers(&[data.stream.0, cursor::len_u64(payload)]) + payload
            }
            Frame::Open(open) => {
                integers(&[open.stream.0, open.fragment_size]) + 1 + cursor::bytes_len(&open.label, MAX_LABEL)
            }
            Frame::Reset { stream, code } | Frame::Stop { stream, code } => integers(&[stream.0, *code]),
            Frame::Credit { stream, limit } => integers(&[*stream, *limit]),
            Frame::Close(close) => {
                integers(&[close.code, close.position]) + cursor::bytes_len(&close.reason, MAX_REASON)
            }
            Frame::End(end) => {
                1 + cursor::bytes_len(&end.reason, MAX_REASON)
                    + optional(end.position)
                    + optional(end.after)
                    + cursor::bytes_len(&end.alternate, MAX_ALTERNATE)
            }
            Frame::Closed { position }
            | Frame::Ack { position }
            | Frame::From { position }
            | Frame::Resync { position } => varint::len(*position),
            Frame::Ping { id } | Frame::Pong { id } => varint::len(*id),
            Frame::GoAway { within, alternate } => {
                varint::len(*within) + cursor::bytes_len(alternate, MAX_ALTERNATE)
            }
            Frame::Rekey => 0,
            Frame::Final(final_) => handshake::final_len(final_),
        }
    }
}

/// See [`Frame::Data`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The stream.
    pub stream: StreamId,
    /// The bytes.
    pub payload: Bytes,
    /// A message ends behind them.
    pub message_end: bool,
    /// The stream ends behind them.
    pub stream_end: bool,
}

impl Data {
    /// See [`Frame::charge`].
    #[must_use]
    pub fn charge(&self) -> usize {
        self.payload.len() + FRAME_CHARGE
    }
}

/// See [`Frame::Open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The stream.
    pub stream: StreamId,
    /// Lower goes first.
    pub priority: u8,
    /// The opener's fragment size, 1,000 to 64,000.
    pub fragment_size: u64,
    /// What it is for; up to 255 bytes.
    pub label: Bytes,
}

/// See [`Frame::Close`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The application's code.
    pub code: u64,
    /// The application's words; up to 1,024 bytes.
    pub reason: Bytes,
    /// The closer's next expected position, frozen.
    pub position: u64,
}

/// Why an END was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCode {
    /// The close is complete on both sides.
    Done,
    /// Positions contradict each other.
    StateLost,
    /// The receiver of this END broke the protocol.
    ProtocolError,
    /// Identity or credential refused for good.
    Unauthorized,
    /// Credential refused; a fresh one may do.
    RefreshCredentials,
    /// No room for another session.
    Busy,
    /// Not now; see `after`.
    RetryLater,
    /// The host ended the session.
    Aborted,
}

impl EndCode {
    /// The byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            EndCode::Done => 0,
            EndCode::StateLost => 1,
            EndCode::ProtocolError => 2,
            EndCode::Unauthorized => 3,
            EndCode::RefreshCredentials => 4,
            EndCode::Busy => 5,
            EndCode::RetryLater => 6,
            EndCode::Aborted => 7,
        }
    }

    /// The code with this byte.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<EndCode> {
        Some(match byte {
            0 => EndCode::Done,
            1 => EndCode::StateLost,
            2 => EndCode::ProtocolError,
            3 => EndCode::Unauthorized,
            4 => EndCode::RefreshCredentials,
            5 => EndCode::Busy,
            6 => EndCode::RetryLater,
            7 => EndCode::Aborted,
            _ => return None,
        })
    }
}

/// See [`Frame::End`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub code: EndCode,
    /// Words for people; up to 1,024 bytes.
    pub reason: Bytes,
    /// The sender's final position, if it means anything.
    pub position: Option<u64>,
    /// Milliseconds to wait before trying again.
    pub after: Option<u64>,
    /// Where to go instead, in the hosts' format, up to 1,024 bytes; may be empty.
    pub alternate: Bytes,
}

impl End {
    /// An END with nothing but a code and, where it means something, the sender's final position.
    #[must_use]
    pub fn new(code: EndCode, position: Option<u64>) -> End {
        End { code, reason: Bytes::new(), position, after: None, alternate: Bytes::new() }
    }
}

/// See [`Frame::Final`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// The server's parameters.
    pub parameters: Parameters,
    /// See PROTOCOL.md, "Words".
    pub incarnation: [u8; 8],
    /// What became of the predecessor, if one was named.
    pub verdict: Option<Verdict>,
}

/// The server's answer about a predecessor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It lives; this connection becomes its candidate.
    Resumed { /** The server's next expected position. */ position: u64 },
    /// It is over; a tombstone remains.
    Expired { /** The server's final position. */ position: u64 },
    /// A copy went on, or the proof is wrong.
    Superseded,
    /// Neither held nor entombed.
    Unknown { /** Milliseconds that tombstones reach back. */ reach: u64 },
    /// Positions contradict each other.
    StateLost { /** The server's next expected position. */ position: u64 },
}

/// What each end tells the other about its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Credit each stream begins with.
    pub stream_window: u64,
    /// Credit the session begins with.
    pub session_window: u64,
    /// Streams the peer may have open.
    pub max_streams: u64,
    /// Largest packet this end takes.
    pub packet_limit: u64,
    /// This end's outbox bound (the peer acknowledges by quarters of it).
    pub outbox_limit: u64,
    /// This end's inbox bound.
    pub inbox_limit: u64,
    /// Milliseconds.
    pub keepalive_interval: u64,
    /// Milliseconds.
    pub detached_lifetime: u64,
}

/// What the client says under seal in AUTH_PROOF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Versions the client offered, best first.
    pub versions: alloc::vec::Vec<u8>,
    /// Suite bytes the client offered, best first.
    pub suites: alloc::vec::Vec<u8>,
    /// The client's parameters.
    pub parameters: Parameters,
    /// Session name, UTF-8, up to 255 bytes; may be empty.
    pub name: Bytes,
    /// Opaque credential, up to 7,000 bytes; may be empty.
    pub credential: Bytes,
    /// The session this one would rather resume.
    pub predecessor: Option<Predecessor>,
}

/// A session named inside a full handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Its id.
    pub id: [u8; 16],
    /// Highest attach counter used.
    pub counter: u64,
    /// The client's next expected position.
    pub position: u64,
    /// Keyed with the verifier over the handshake hash after message 2.
    pub mac: [u8; 32],
}
