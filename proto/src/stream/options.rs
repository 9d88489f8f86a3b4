//! How a stream is opened, and what is known of one that the peer opened.

use bytes::Bytes;

use crate::id::StreamId;
use crate::setters::setters;

/// How a stream is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// What the stream is for, told to the peer; up to 255 bytes.
    pub label: Bytes,
    /// Streams of a lower number go first; equal ones take turns. Default 128.
    pub priority: u8,
    /// Longest payload of one frame, both ways: what the peer sends on the stream keeps to it, too. 1,000 to 64,000 bytes;
    /// `None`: the session's.
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
#[non_exhaustive]
pub struct AcceptedStream {
    /// Its id.
    pub id: StreamId,
    /// What the peer says it is for.
    pub label: Bytes,
    /// The peer's priority for it.
    pub priority: u8,
}

setters! {
    StreamOptions {
        with_label label: Bytes,
        with_priority priority: u8,
        with_fragment_size fragment_size: Option<usize>,
    }
}
