//! What the ends tell each other in a handshake, as values.

use bytes::Bytes;

/// See [`Frame::Final`](super::Frame::Final).
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
#[non_exhaustive]
pub enum Verdict {
    /// It lives; this connection becomes its candidate.
    Resumed {
        /** The server's next expected position. */
        position: u64,
    },
    /// It is over; a tombstone remains.
    Expired {
        /** The server's final position. */
        position: u64,
    },
    /// It is over, since the server's host closed it and could not say so in time.
    Closed {
        /** The server's final position. */
        position: u64,
        /** The host's code. */
        code: u64,
        /** The host's reason, up to 1,024 bytes. */
        reason: Bytes,
    },
    /// It is over, since another session of the same identity took its name.
    Replaced {
        /** The server's final position. */
        position: u64,
    },
    /// A copy went on, or the proof is wrong.
    Superseded,
    /// The server neither holds it nor has a tombstone of it.
    Unknown {
        /** Milliseconds that tombstones reach back. */
        reach: u64,
    },
    /// Positions contradict each other.
    StateLost {
        /** The server's next expected position. */
        position: u64,
    },
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
