//! What a frame takes: on the wire, and of bounds and credit.

use crate::limits::{FRAME_CHARGE, MAX_LABEL, MAX_REASON};
use crate::wire::frame::{Data, Frame, MAX_ALTERNATE, Part};
use crate::wire::{cursor, handshake, varint};

impl Frame {
    /// What a sequenced frame counts against bounds and credit, on both sides alike and however it was
    /// packed: DATA its payload and 64, any other its [`encoded_len`](Frame::encoded_len) and 64.
    #[must_use]
    pub fn charge(&self) -> usize {
        match self {
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
            Frame::Part(Part { data, offset, total }) => {
                let payload = data.payload.len();
                integers(&[data.stream.0, *total, *offset, cursor::len_u64(payload)]) + payload
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
            Frame::GoAway { within, alternate } => varint::len(*within) + cursor::bytes_len(alternate, MAX_ALTERNATE),
            Frame::Rekey => 0,
            Frame::Final(final_) => handshake::final_len(final_),
        }
    }
}

impl Data {
    /// See [`Frame::charge`].
    #[must_use]
    pub fn charge(&self) -> usize {
        self.payload.len() + FRAME_CHARGE
    }

    /// Whether the end of the stream is all that it says.
    #[must_use]
    pub fn is_bare_end(&self) -> bool {
        self.stream_end && !self.message_end && self.payload.is_empty()
    }
}
