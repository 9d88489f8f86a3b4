//! What a host chooses for the streams of a session, and what it is told of them.

use bytes::Bytes;

use crate::setters::setters;
use crate::ssm::body::Flag;
use crate::time::Duration;

/// How streams share a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MuxConfig {
    /// Bytes that have arrived and were not read, of all streams together. Default 4 MiB, as the real programs have it. Beyond it nothing is
    /// read from the session. Owner: the mux.
    pub receive_buffer: usize,
    /// Bytes that a stream's writer may have waiting. 1 or more, default 64 KiB. Owner: the mux.
    pub send_buffer: usize,
    /// Bytes of data in a frame: 1 to 32,768, default 1,016, which with its header fills a frame of the data channel, so that streams take
    /// turns there.
    pub frame_bytes: usize,
    /// Streams at once, of both ends; 1 or more, default 1,024. One that the peer opens beyond them is closed.
    pub max_streams: usize,
    /// How often the peer is told that we are there, if it expects that
    /// ([`expects_keepalive`](crate::ssm::event::Established::expects_keepalive)). Default never; the real programs do so every 10 s and
    /// wait for 30 s.
    pub keepalive: Option<Duration>,
}

impl Default for MuxConfig {
    fn default() -> Self {
        MuxConfig {
            receive_buffer: 4 << 20,
            send_buffer: 64 << 10,
            frame_bytes: 1_016,
            max_streams: 1_024,
            keepalive: None,
        }
    }
}

setters! {
    MuxConfig {
        with_receive_buffer receive_buffer: usize,
        with_send_buffer send_buffer: usize,
        with_frame_bytes frame_bytes: usize,
        with_max_streams max_streams: usize,
        with_keepalive keepalive: Option<Duration>,
    }
}

/// What a host is told of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MuxEvent {
    /// The peer opened a stream.
    Opened(u32),
    /// Something can be read of a stream, the end of it included. Told after a read that found nothing.
    Readable(u32),
    /// Something can be written to a stream, or never again since the peer closed it. Told after a write that was not taken whole.
    Writable(u32),
    /// What happened to a TCP connection of the peer's; it does not say to which.
    Flag(Flag),
}

/// What a read of a stream found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MuxRead {
    /// Bytes, never none.
    Data(Bytes),
    /// Nothing yet.
    Pending,
    /// The peer closed the stream, or there is no such stream.
    End,
}
