//! What the machine tells its host.
//!
//! ```
//! use unbroken_proto::event::{EndReason, Event};
//! # use unbroken_proto::{config::Seed, security::{Auth, SharedSecret}, ClientConfig, Instant, Session};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Instant::from_millis(0);
//! # let auth = Auth::secret(SharedSecret::from_key(b"office", [7; 32])?);
//! # let mut session = Session::connect(ClientConfig::new(auth), Seed([1; 32]), now)?;
//! let stream = session.open(now, Default::default())?;
//! session.stream(stream).send(now, "never sent".into())?;
//! session.abort(now);
//!
//! let mut unsent = Vec::new();
//! while let Some(event) = session.poll_event() {
//!     if let Event::Ended(ended) = event {
//!         assert_eq!(ended.reason, EndReason::Aborted);
//!         assert!(!ended.fates.all_delivered());
//!         unsent.extend(ended.fates.streams.into_iter().flat_map(|fate| fate.not_delivered));
//!     }
//! }
//! assert_eq!(unsent.len(), 1);
//! assert_eq!(unsent[0].payload, "never sent");
//! # Ok(())
//! # }
//! ```

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::id::{Epoch, SessionId, StreamId};
use crate::liveness::Health;
use crate::reconnect::{Attempt, Cause};
use crate::time::Duration;

/// Something the host may want to know. Events wait until they are asked for; not asking, or asking
/// late, changes nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is complete; streams flow.
    Established {
        /// The session's name, the same on both sides.
        id: SessionId,
    },
    /// A connection proved itself and carries the session now.
    Attached {
        /// Its number.
        epoch: Epoch,
        /// How the old one gave way.
        swap: Swap,
        /// Payload bytes that go out again because of it.
        replayed: u64,
        /// How long the session had no connection. Zero for the first attach and for a planned swap.
        gap: Duration,
    },
    /// The session has no connection now; it lives on.
    Detached {
        /// Why the last connection ended.
        cause: Cause,
    },
    /// An attempt to have a connection was planned (its outcome is then pending), or came to an end (client).
    Reconnect(Attempt),
    /// Reconnecting was paused by [`pause`](crate::session::Reconnect::pause).
    ReconnectPaused,
    /// Reconnecting goes on.
    ReconnectResumed,
    /// One end closes the session: what is queued still goes out, and [`Ended`](Event::Ended) follows.
    Closing {
        /// Who called `close`; never [`Closer::Both`]: of two closes that cross each is told.
        by: Closer,
    },
    /// The session's health changed to this.
    Health(Health),
    /// A message sent with [`send_within`](crate::session::Stream::send_within) is not known to be the peer's in time. It is not
    /// dropped, and may still arrive. A host that leaves over a thousand of these unread loses those of
    /// messages that arrived after all.
    Overdue {
        /// Its stream.
        stream: StreamId,
        /// Its number on that stream, as `send_within` returned it.
        message: u64,
    },
    /// What came of [`probe`](crate::Session::probe).
    Probed {
        /// How long the peer took to answer, from the call on; `None`: it did not, and the connection was given up or is over.
        round_trip: Option<Duration>,
    },
    /// Packets to the peer are no longer than this from now on, type byte and tag included. Lower, down to 1,200 bytes: connections were lost
    /// with longer ones under way that did not arrive. Two in a row, or one of which somebody said that it is for that ([`Cause::TooLarge`]),
    /// halve the length, and so does each further one. Higher: more is tried, 10 min after that and at once as long as it arrives. One connection
    /// that is lost for it takes it back, and the next try comes after twice as long, up to a day;
    /// [`network_changed`](crate::session::Reconnect::network_changed) has it come at once.
    PacketLimit {
        /// In bytes.
        limit: usize,
    },
    /// The peer asks that this connection be left within `within`; the client is already about to dial.
    GoAway {
        /// Time left.
        within: Duration,
        /// Where to go instead, in the host's own format; empty: the same place.
        alternate: Bytes,
    },
    /// The peer opened a stream: call `accept` until it returns `None`.
    Incoming,
    /// There is something to read on this stream: call `recv` until it returns `None` or an error.
    Readable(StreamId),
    /// There is, or may be, room after a send was refused as full or unread: try again.
    Writable,
    /// Streams may be opened again after an open was refused.
    StreamsAvailable,
    /// The peer asks us to stop sending on this stream; it has been reset.
    Stopped {
        /// The stream.
        stream: StreamId,
        /// The peer's code.
        code: u64,
    },
    /// A fresh credential is asked for, see [`Answer::Credential`](crate::reconnect::Answer::Credential): either nothing is dialled before
    /// there is one ([`refresh_credential`](crate::ReconnectIntent::refresh_credential)), or one would be welcome
    /// ([`is_credential_welcome`](crate::session::Reconnecting::is_credential_welcome)).
    CredentialNeeded,
    /// The session is over. Always the last event. What was received can still be read.
    Ended(Ended),
}

/// How one connection followed another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The session's first connection.
    First,
    /// The old connection was gone.
    Unplanned,
    /// The old connection still delivers what it carries.
    Planned,
}

/// How a session ended, and the truth about what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// What became of every message and byte.
    pub fates: Fates,
}

impl Ended {
    /// For a host that has to say itself how a session ended, because its machine can say nothing any more.
    #[must_use]
    pub fn new(reason: EndReason, fates: Fates) -> Ended {
        Ended { reason, fates }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// One end or both called `close`, and both know it.
    Closed {
        /// The closer's code.
        code: u64,
        /// The closer's reason, up to 1,024 bytes.
        reason: Bytes,
        /// Who closed.
        by: Closer,
    },
    /// Our own close was not answered within its linger time.
    LingerExpired,
    /// This host aborted.
    Aborted,
    /// The peer's host aborted.
    AbortedByPeer,
    /// No connection for as long as a detached session lives, or the server said it has expired.
    Expired,
    /// The peer's session went on elsewhere (a copy of this one), or this one's proof is not accepted.
    Superseded,
    /// The server does not know the session, and something may have been delivered.
    Unknown,
    /// The two ends' positions contradict each other.
    StateLost,
    /// One end broke the protocol, as the other found.
    ProtocolError {
        /// Which rule, and by which frame, in the finder's words, up to 1,024 bytes; may be empty.
        reason: Bytes,
        /// Who found it, and ended the session: the other one broke the rule.
        by: Closer,
    },
    /// The accepting host refused the credential or identity for good.
    Unauthorized,
    /// The server said that it cannot go on holding the session.
    Busy,
    /// No attempt to connect is left by the backoff's count; or the session was never established, and what the attempt died
    /// of [is final](crate::reconnect::Strategies::is_final).
    GaveUp {
        /// What the last attempt died of.
        cause: Cause,
    },
    /// What runs inside cannot go on in this session (see [`Strategy::Fresh`](crate::reconnect::Strategy::Fresh)):
    /// a new one is to be opened. What it did not carry over is in the fates.
    Fresh {
        /// What made it necessary.
        cause: Cause,
    },
    /// What was sent stayed unacknowledged through more attaches, or for longer, than
    /// [`SessionConfig::stuck`](crate::SessionConfig::stuck) allows, though there were connections.
    Stuck,
    /// Another session of the same identity took its name. Both ends are told so; who opened this one should not open it again, or the
    /// two would displace each other for ever.
    Replaced,
    /// The accepting host's memory for detached sessions was spent, and this one was detached longest.
    Evicted,
    /// One direction used up its 2^62 - 1 positions.
    Exhausted,
    /// What a durable session has to keep could not be kept ([`handle_store_failed`](crate::Session::handle_store_failed)). Nothing was
    /// acknowledged that is not kept, and the peer was told nothing: the session can be restored from what is kept.
    StorageFailed,
    /// The session goes on elsewhere: it was [exported](crate::Session::export), or given up for another process to take.
    Moved,
}

/// Who closed a session, or ended it for what the other did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closer {
    /// This end.
    Local,
    /// The peer.
    Peer,
    /// Both at once.
    Both,
}

/// The fate of everything sent. Per stream the order is: delivered, then unknown, then not delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fates {
    /// Streams that were not already delivered whole and closed, by id.
    pub streams: Vec<StreamFate>,
    /// Something may have been sent of which this list says nothing, because the host broke before the machine could
    /// be asked. What became of it is unknown.
    pub is_incomplete: bool,
}

impl Fates {
    /// For a host whose machine can say nothing any more: nothing is known of what was sent.
    #[must_use]
    pub fn unaccounted() -> Fates {
        Fates {
            streams: Vec::new(),
            is_incomplete: true,
        }
    }

    /// Whether everything that was sent is known to be delivered.
    #[must_use]
    pub fn all_delivered(&self) -> bool {
        let delivered = |fate: &StreamFate| fate.unknown.is_zero() && fate.not_delivered.is_empty();
        !self.is_incomplete && self.streams.iter().all(delivered)
    }
}

/// The fate of what was sent on one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamFate {
    /// The stream.
    pub stream: StreamId,
    /// In the peer's hands.
    pub delivered: Tally,
    /// Nobody can say.
    pub unknown: Tally,
    /// Payloads that never reached the peer and never will, in order; messages whole, bytes from the
    /// first undelivered one.
    pub not_delivered: Vec<Undelivered>,
}

/// Something that never arrived, handed back.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// The payload.
    pub payload: Bytes,
    /// Whether it was a message (else bytes of a byte stream).
    pub message: bool,
}

/// Names the payload's length, not its bytes.
impl fmt::Debug for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undelivered")
            .field("payload_len", &self.payload.len())
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// How far a stream was read, or dealt with: so many whole messages, and so many bytes behind the last of them. A stream of bytes
/// has no messages.
///
/// An application that keeps it beside its own data, in one transaction, deals with each message once, whatever becomes of its
/// process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Whole messages.
    pub messages: u64,
    /// Bytes behind the last of them.
    pub bytes: u64,
}

impl Place {
    /// Behind a chunk of so many bytes that begins here, and whether a message ends with it.
    #[must_use]
    pub fn behind(self, len: usize, message_end: bool) -> Place {
        match message_end {
            true => Place {
                messages: self.messages + 1,
                bytes: 0,
            },
            false => Place {
                bytes: self.bytes + len as u64,
                ..self
            },
        }
    }
}

/// A count of messages, and of bytes written without message boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages (a message counts where its last fragment does).
    pub messages: u64,
    /// Bytes of byte streams.
    pub bytes: u64,
}

impl Tally {
    /// Nothing counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.messages == 0 && self.bytes == 0
    }
}
