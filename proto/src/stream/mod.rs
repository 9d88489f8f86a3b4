//! Streams: the words of this room.
//!
//! | file | owns |
//! |---|---|
//! | `table` | every stream, and the account of what the outbox holds |
//! | `calls` | what the application's calls do |
//! | `send`, `recv` | the two halves of one stream |
//! | `credit` | flow control |
//! | `schedule`, `commit` | whose turn it is, what goes out next |
//! | `arrive` | what the peer's frames do |
//! | `fates` | what became of everything that was sent |

mod arrive;
mod calls;
mod commit;
mod credit;
mod fates;
mod recv;
mod schedule;
mod send;
mod table;

pub(crate) use recv::copy_if_small;
pub(crate) use table::Streams;

use bytes::Bytes;

use crate::id::StreamId;

/// How a stream is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// What the stream is for, told to the peer; up to 255 bytes.
    pub label: Bytes,
    /// Streams of a lower number go first; equal ones take turns. Default 128.
    pub priority: u8,
    /// Longest payload of one frame, 1,000 to 64,000 bytes; `None`: the session's.
    pub fragment_size: Option<usize>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            label: Bytes::new(),
            priority: 128,
            fragment_size: None,
        }
    }
}

/// A stream the peer opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedStream {
    /// Its id.
    pub id: StreamId,
    /// What the peer says it is for.
    pub label: Bytes,
    /// The peer's priority for it.
    pub priority: u8,
}

/// What `recv` hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes, in order.
    Data {
        /// The bytes (may be empty when an empty message ends here).
        payload: Bytes,
        /// Whether a message ends behind them. Byte streams never set it.
        message_end: bool,
    },
    /// The peer finished the stream; nothing follows.
    End,
}

#[cfg(test)]
mod tests;
