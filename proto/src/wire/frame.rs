//! The frames of a sealed packet, as values.
//!
//! The structs are the layouts of version 1, which never change, so that they can be written as literals. There may come
//! to be more frames and codes: the enums are not exhaustive.

mod offer;

use alloc::boxed::Box;

use bytes::Bytes;

pub use self::offer::{Final, Offer, Parameters, Predecessor, Verdict};
use crate::id::StreamId;

/// Smallest fragment size an OPEN may state.
pub const FRAGMENT_MIN: u64 = 1_000;
/// Largest fragment size an OPEN may state.
pub const FRAGMENT_MAX: u64 = 64_000;
/// Longest alternate address in GOAWAY and END, in bytes.
pub const MAX_ALTERNATE: usize = 1_024;

/// One frame. Sequenced frames (see [`is_sequenced`](Frame::is_sequenced)) have positions and are
/// kept until acknowledged; the others concern one connection only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// Application bytes. Sequenced.
    Data(Data),
    /// Some of the bytes of a DATA frame that is too long for one packet. Its parts together are one sequenced frame.
    Part(Part),
    /// Begins a stream. Sequenced.
    Open(Open),
    /// The sender abandons the stream. Sequenced.
    Reset {
        /** The stream. */
        stream: StreamId,
        /** The application's code. */
        code: u64,
    },
    /// Asks the peer to stop sending on the stream. Sequenced.
    Stop {
        /** The stream. */
        stream: StreamId,
        /** The application's code. */
        code: u64,
    },
    /// Flow control: the sum of DATA charges allowed so far. Stream 0 is the session. Sequenced.
    Credit {
        /** The stream, or 0. */
        stream: u64,
        /** Absolute limit. */
        limit: u64,
    },
    /// The last sequenced frame of its sender.
    Close(Close),
    /// Answer to CLOSE.
    Closed {
        /** The answering end's final position. */
        position: u64,
    },
    /// Why this is over.
    End(Box<End>),
    /// Everything below is the peer's now.
    Ack {
        /** First position not yet held. */
        position: u64,
    },
    /// The next sequenced frame on this connection has this position.
    From {
        /** That position. */
        position: u64,
    },
    /// Nothing more is read from earlier connections; send from here.
    Resync {
        /** First position missing. */
        position: u64,
    },
    /// Asks for a PONG.
    Ping {
        /** Repeated in the answer. */
        id: u64,
    },
    /// Answers a PING.
    Pong {
        /** The PING's. */
        id: u64,
    },
    /// Leave this connection.
    GoAway {
        /** Milliseconds from now. */
        within: u64,
        /** Where to, in the hosts' format, up to 1,024 bytes; may be empty. */
        alternate: Bytes,
    },
    /// The next packet this way uses the next key.
    Rekey,
    /// First frame of the server's first sealed packet after AUTH_PROOF.
    Final(Box<Final>),
}

impl Frame {
    /// Application bytes in it.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        match self {
            Frame::Data(data) | Frame::Part(Part { data, .. }) => data.payload.len() as u64,
            _ => 0,
        }
    }

    /// Whether the frame has a position and is kept until acknowledged. A PART has none of its own.
    #[must_use]
    pub fn is_sequenced(&self) -> bool {
        matches!(
            self,
            Frame::Data(_)
                | Frame::Open(_)
                | Frame::Reset { .. }
                | Frame::Stop { .. }
                | Frame::Credit { .. }
                | Frame::Close(_)
        )
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

/// See [`Frame::Part`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The frame, with the bytes of this part only. Its flags are those of the whole.
    pub data: Data,
    /// Where in the frame's payload they lie.
    pub offset: u64,
    /// Length of the frame's payload, 64,000 at most.
    pub total: u64,
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
    /// The application's reason; up to 1,024 bytes.
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
    /// Another session of the same identity took its name.
    Replaced,
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
            EndCode::Replaced => 8,
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
            8 => EndCode::Replaced,
            _ => return None,
        })
    }
}

/// See [`Frame::End`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub code: EndCode,
    /// A text for people; up to 1,024 bytes.
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
        End {
            code,
            reason: Bytes::new(),
            position,
            after: None,
            alternate: Bytes::new(),
        }
    }
}
