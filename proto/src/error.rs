//! Errors, sorted by who is at fault: the configuration, the caller's call, the connection.
//!
//! What ends a whole session is not an error but an event: [`Event::Ended`](crate::Event::Ended).
//!
//! ```
//! use unbroken_proto::config::MAX_CODE;
//! use unbroken_proto::error::{CodeTooLarge, ConfigError};
//! # use unbroken_proto::{config::Seed, security::{Auth, SharedSecret}, ClientConfig, Instant, Session};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Instant::from_millis(0);
//! # let auth = Auth::secret(SharedSecret::from_key(b"office", [7; 32])?);
//! # let config = ClientConfig::new(auth);
//! // The configuration's fault: nothing is started.
//! let wrong = config.clone().with_history_limit(1 << 20);
//! let error = Session::connect(wrong, Seed([1; 32]), now).unwrap_err();
//! assert!(matches!(error, ConfigError::OutOfRange { field: "history_limit", .. }));
//!
//! // The caller's fault: nothing is done.
//! let mut session = Session::connect(config, Seed([1; 32]), now)?;
//! assert_eq!(session.close(now, MAX_CODE + 1, "".into()), Err(CodeTooLarge(MAX_CODE + 1)));
//! # Ok(())
//! # }
//! ```

use core::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::id::StreamId;

/// What was read cannot be marked as dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// There is no such receiving half, or it is over.
    #[error("there is no such stream")]
    UnknownStream,
    /// The place lies behind what was read in this process.
    #[error("it was not read yet")]
    Unread,
    /// The place lies behind all that is kept of the stream. Nothing is read before it is kept, so that what was restored is older than
    /// what the application dealt with: the session ends as [`StateLost`](crate::event::EndReason::StateLost).
    #[error("what is kept of the stream is older than that")]
    Ahead,
    /// The session is not durable: what is read is gone.
    #[error("the session is not durable")]
    NotDurable,
}

/// A configuration that cannot work. Nothing was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit or window lies outside its documented range.
    #[error("{field} must be between {min} and {max}")]
    OutOfRange {
        /// The field of the configuration.
        field: &'static str,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// The session is to be durable, and there is nowhere to keep it.
    #[error("a durable session needs a store")]
    NoStore,
    /// The list of suites is empty, or none of it fits the authentication configured.
    #[error("no cipher suite fits the authentication configured")]
    NoSuite,
    /// A list of pinned keys, secrets or clients is empty, so that nobody would be trusted or let in. Anonymity is asked for by
    /// name.
    #[error(
        "a list of keys, secrets or clients is empty, so that nobody would be trusted; ask for anonymity by name if that is meant"
    )]
    NoIdentity,
    /// A passphrase could not be stretched (empty, or longer than Argon2 takes).
    #[error("the passphrase is empty or too long")]
    Passphrase,
    /// A name, hint, label or credential is longer than its limit.
    #[error("{field} is longer than {max} bytes")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Largest length allowed.
        max: usize,
    },
}

/// The connection must be dropped. The session lives on (if it cannot, that is an event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The packet is larger than its type may be at this point.
    #[error("packet larger than allowed here")]
    TooLarge,
    /// The packet is empty, of an unknown type, or of a type that has no place here.
    #[error("unexpected packet")]
    UnexpectedPacket,
    /// The packet did not open under this connection's keys.
    #[error("packet failed authentication")]
    Forged,
    /// A handshake message is malformed or failed to open.
    #[error("handshake failed")]
    Handshake,
    /// The peer's identity is not one that is trusted.
    #[error("peer identity is not trusted")]
    Untrusted,
    /// The peer refused, without proof, in the clear.
    #[error("refused by the peer")]
    Refused,
    /// Authentic bytes that break the protocol.
    #[error("protocol violation: {0}")]
    Protocol(#[from] ProtocolError),
    /// The key was used as often as it may be.
    #[error("key exhausted")]
    KeyExhausted,
}

/// What an authentic peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame is truncated, oversized or otherwise not decodable.
    #[error("malformed frame")]
    Malformed,
    /// A frame of a type this version does not know.
    #[error("unknown frame type")]
    UnknownFrame,
    /// A frame that has no place here (FINAL twice, sequenced data before FROM, …).
    #[error("frame out of place")]
    Misplaced,
    /// A sequenced frame skips positions on an ordered carrier.
    #[error("gap in positions")]
    Gap,
    /// A position that contradicts what was sent, acknowledged or received before.
    #[error("positions contradict each other")]
    StateLost,
    /// An acknowledgement beyond what was sent.
    #[error("acknowledged what was never sent")]
    BadAck,
    /// More data than credit was granted for, or a grant below an earlier one.
    #[error("beyond the credit granted, or a grant below an earlier one")]
    Credit,
    /// A payload longer than the fragment size that its stream's OPEN stated.
    #[error("larger than the stream's fragment size")]
    Fragment,
    /// A packet longer than this end's [`packet_limit`](crate::SessionConfig::packet_limit).
    #[error("longer than the packets that this end takes")]
    PacketLimit,
    /// A part of a frame that does not follow the one before it, or something sequenced between two parts.
    #[error("not the next part of its frame")]
    Part,
    /// What follows a RESYNC is not the repetition that it asks for.
    #[error("not the answer that RESYNC asks for")]
    ResyncAnswer,
    /// More held above a gap than the inbox allows.
    #[error("inbox overrun")]
    Inbox,
    /// A stream of the wrong parity, reused, never opened, or beyond `max_streams`.
    #[error("stream of the wrong parity, reused, never opened, or beyond max_streams")]
    BadStream,
    /// Data after the end of a stream, or anything sequenced behind a CLOSE.
    #[error("data after the end")]
    AfterEnd,
    /// A rekey is overdue.
    #[error("rekey overdue")]
    RekeyOverdue,
}

/// What an authentic peer did wrong, and with what: the peer is told so in END.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{place}: {rule}")]
pub(crate) struct Violation {
    /// The frame, or what else was wrong.
    pub(crate) place: &'static str,
    pub(crate) rule: ProtocolError,
}

impl Violation {
    /// In words, for END's reason: a few dozen bytes.
    pub(crate) fn words(&self) -> Bytes {
        Bytes::from(alloc::format!("{self}"))
    }
}

/// Why a payload was not taken. It comes back, untouched.
#[derive(Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct SendError {
    /// The refused payload.
    pub payload: Bytes,
    /// Why.
    pub reason: SendRefusal,
}

/// Names the payload's length, not its bytes: those are the application's, and may be many.
impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("reason", &self.reason)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Why a payload was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendRefusal {
    /// The outbox is full. [`Event::Writable`](crate::Event::Writable) tells when there is room.
    #[error("outbox full")]
    Full,
    /// As much as may wait for readers that have granted no more, or for the peer to have room for the stream, does so already (96 KiB, or half of the
    /// outbox if that is less; 144 KiB, or three quarters, of both together), or so much that the rest of the outbox has no room for this
    /// payload. A stream whose reader takes its data may have room all the same. [`Event::Writable`](crate::Event::Writable) tells when to try again.
    #[error("too much waits for readers")]
    Unread,
    /// The message would not fit even an empty outbox.
    #[error("message larger than the outbox")]
    TooLarge,
    /// No such stream, or it is gone.
    #[error("no such stream")]
    UnknownStream,
    /// This half of the stream was finished or reset.
    #[error("stream closed for sending")]
    StreamClosed,
    /// The peer asked us to stop, with this code.
    #[error("peer stopped the stream with code {0}")]
    Stopped(u64),
    /// The session is closing or over.
    #[error("session closed")]
    SessionClosed,
}

impl SendRefusal {
    /// Whether the same payload may be taken later, once [`Event::Writable`](crate::Event::Writable) has come.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(self, SendRefusal::Full | SendRefusal::Unread)
    }
}

/// Why nothing can be read from a stream any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// No such stream, or it was read to its end.
    #[error("no such stream")]
    UnknownStream,
    /// The peer abandoned the stream with this code.
    #[error("peer reset the stream with code {0}")]
    Reset(u64),
    /// The session ended before the stream did.
    #[error("session ended")]
    SessionEnded,
}

/// Why a stream was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// As many streams as may be are open. [`Event::StreamsAvailable`](crate::Event::StreamsAvailable) tells when that changes.
    #[error("too many streams")]
    TooMany,
    /// The outbox is full.
    #[error("outbox full")]
    Full,
    /// The label is longer than 255 bytes, or the fragment size out of range.
    #[error("invalid stream options")]
    Invalid,
    /// The session is closing or over.
    #[error("session closed")]
    SessionClosed,
}

/// Why a call about a stream had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no such stream half: {0:?}")]
pub struct UnknownStream(pub StreamId);

/// Why a stream was not reset or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// There is no such half.
    #[error("no such stream half: {0:?}")]
    Unknown(StreamId),
    /// The code is above 2^62 - 1, the largest that there is room for on the wire.
    #[error("code {0} is larger than 2^62 - 1")]
    CodeTooLarge(u64),
}

impl From<UnknownStream> for StreamError {
    fn from(UnknownStream(stream): UnknownStream) -> StreamError {
        StreamError::Unknown(stream)
    }
}

/// A code above 2^62 - 1, the largest that there is room for on the wire. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("code {0} is larger than 2^62 - 1")]
pub struct CodeTooLarge(pub u64);

impl From<CodeTooLarge> for StreamError {
    fn from(CodeTooLarge(code): CodeTooLarge) -> StreamError {
        StreamError::CodeTooLarge(code)
    }
}

/// Why a connection was not attached; the host drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// No connection is wanted now.
    #[error("no connection is wanted")]
    NotWanted,
    /// The session is over.
    #[error("session ended")]
    Ended,
}

/// The state to be preserved is longer than [`MAX_PRESERVED`](crate::config::MAX_PRESERVED).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("more to preserve than a session keeps")]
pub struct PreservedTooLarge;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_payload_is_not_printed() {
        let error = SendError {
            payload: Bytes::from_static(b"a secret"),
            reason: SendRefusal::Full,
        };
        let printed = alloc::format!("{error:?}");
        assert_eq!(printed, "SendError { reason: Full, payload_len: 8, .. }");
    }
}
