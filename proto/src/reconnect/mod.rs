//! Why a connection broke, and when to try again. The words; `backoff` has the numbers.

mod backoff;

pub use backoff::Backoff;
pub(crate) use backoff::Retry;

use crate::time::Instant;

/// Why a connection, or an attempt at one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The network or the peer's machine ended it.
    Network,
    /// The dial was refused, or the peer refused in the clear.
    Refused,
    /// The dial, handshake or resume took too long.
    Timeout,
    /// The peer fell silent.
    Heartbeat,
    /// The peer is not who it should be, or did not accept who we are.
    Authentication,
    /// The peer broke the protocol on this connection.
    Protocol,
    /// The peer asked that the connection be left.
    ServerAsked,
    /// This host closed it.
    Local,
}

/// What the machine wants dialled. A level: it may be asked for again and again, and stands until the
/// attempt is answered with [`attach`](crate::Session::attach) or
/// [`dial_failed`](crate::Session::dial_failed), or its deadline passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconnectIntent {
    /// Number of the attempt; strictly growing over the session's life. A host whose dial is for an
    /// older number than the intent shows gives that dial up.
    pub attempt: u64,
    /// Do not dial before this.
    pub not_before: Instant,
    /// The machine gives the attempt up at this instant.
    pub deadline: Instant,
    /// What the connection is for.
    pub kind: IntentKind,
    /// What the last connection or attempt died of; `None` for the first.
    pub cause: Option<Cause>,
    /// Get a fresh credential first and pass it to
    /// [`refresh_credential`](crate::Session::refresh_credential); no dial counts before.
    pub refresh_credential: bool,
    /// Where the peer asked us to go instead, in the host's own format; empty: the usual place.
    pub alternate: bytes::Bytes,
}

/// What a wanted connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentKind {
    /// The session's first handshake.
    Establish,
    /// Resume after the last connection was lost.
    Resume,
    /// Replace a connection that still works.
    Migrate,
}
