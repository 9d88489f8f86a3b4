//! What goes over a WebSocket, one message at a time.

use alloc::string::String;

use bytes::Bytes;

/// A WebSocket message. A library that answers pings by itself, as most do, needs not pass them on, but it does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first message of a connection, and control words.
    Text(String),
    /// A frame.
    Binary(Bytes),
    /// Asks for a pong with the same bytes.
    Ping(Bytes),
    /// The answer to a ping.
    Pong(Bytes),
}
