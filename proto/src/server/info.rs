//! What people are shown of the sessions: lines, states, one snapshot.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::event::EndReason;
use crate::id::SessionId;
use crate::security::PublicKey;
use crate::time::Instant;

/// A line of the registry's list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The name its client gave it.
    pub name: String,
    /// Its client's static key.
    pub client_key: PublicKey,
    /// Whose it is: what the host said in [`Placement`](crate::server::Placement), or else the client's key.
    pub identity: Bytes,
    /// What the host wrote on it.
    pub labels: Vec<Bytes>,
    /// Where it is in its life.
    pub status: SessionStatus,
    /// Since when it is there.
    pub since: Instant,
    /// When it was admitted.
    pub admitted: Instant,
    /// Bytes it held when its owner last reported: queued, unacknowledged or unread, metadata included.
    pub held_bytes: u64,
}

impl SessionInfo {
    /// Whether a connection carries it.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.status.is_attached()
    }
}

/// Where a held session is in its life, as it is shown to people ([`Display`](fmt::Display)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SessionStatus {
    /// Admitted, and not confirmed by its client yet.
    Connecting,
    /// A connection carries it.
    Connected,
    /// The same, and nothing but heartbeats has crossed for [`idle_after`](crate::SessionConfig::idle_after).
    Idle,
    /// A connection carries it, and its client has been silent for longer than it should.
    Suspect,
    /// No connection carries it; its client may come back.
    Detached,
}

impl SessionStatus {
    /// All of them, in the order of [`Counts`].
    pub(crate) const ALL: usize = 5;

    /// Whether a connection carries it.
    #[must_use]
    pub const fn is_attached(self) -> bool {
        matches!(
            self,
            SessionStatus::Connected | SessionStatus::Idle | SessionStatus::Suspect
        )
    }

    /// Whether a connection carries it that nothing speaks against.
    #[must_use]
    pub const fn is_healthy(self) -> bool {
        matches!(self, SessionStatus::Connected | SessionStatus::Idle)
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SessionStatus::Connecting => "connecting",
            SessionStatus::Connected => "connected",
            SessionStatus::Idle => "idle",
            SessionStatus::Suspect => "suspect",
            SessionStatus::Detached => "detached",
        })
    }
}

/// A session that is over. The registry hands out each exactly once: hang clean-up on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSession {
    /// Its last line.
    pub info: SessionInfo,
    /// Why; `None`: its owner was lost before it could report.
    pub reason: Option<EndReason>,
    /// When the registry learned of it.
    pub at: Instant,
}

/// Which sessions are meant. Only established ones are, except where one is named by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Select<'a> {
    /// Every one.
    All,
    /// This one.
    Session(SessionId),
    /// Those of this name. Clients choose names, so several may share one.
    Name(&'a str),
    /// Those with this label.
    Label(&'a [u8]),
    /// Those of this identity (see [`SessionInfo::identity`]).
    Identity(&'a [u8]),
}

/// The registry in numbers. Kept up to date as things change, so that asking costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Sessions that are admitted and not confirmed yet.
    pub connecting: usize,
    /// Sessions that a connection carries, idle and suspect ones among them.
    pub connected: usize,
    /// Of these, the idle ones.
    pub idle: usize,
    /// Of these, those whose client is silent.
    pub suspect: usize,
    /// Sessions that wait for their client.
    pub detached: usize,
    /// What the detached ones hold, as [`max_detached_bytes`](crate::ServerConfig::max_detached_bytes) counts it.
    pub detached_bytes: u64,
    /// Tombstones.
    pub tombstones: usize,
    /// Connections that have said nothing yet.
    pub silent: usize,
    /// Handshakes in progress.
    pub handshakes: usize,
    /// Sessions with a command that was not handed out yet.
    pub ordered: usize,
    /// Ended sessions that were not handed out yet.
    pub ended_waiting: usize,
    /// Sessions admitted so far.
    pub admitted: u64,
    /// Sessions ended so far.
    pub ended: u64,
    /// Connections turned away so far.
    pub refused: Refused,
}

/// Connections turned away, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Their packets were malformed or came too late; they were closed without an answer.
    pub senseless: u64,
    /// A version or suite that is not spoken here.
    pub unsupported: u64,
    /// HELLO beyond [`hello_rate`](crate::ServerConfig::hello_rate).
    pub hello_rate: u64,
    /// RESUME beyond [`resume_rate`](crate::ServerConfig::resume_rate).
    pub resume_rate: u64,
    /// HELLO or RESUME beyond what the peer may say: its rate, or its handshakes in progress.
    pub peer_limit: u64,
    /// Proven clients that had too many connections waiting for the host's decision.
    pub client_limit: u64,
    /// RESUME that opened under no secret of a session held here.
    pub unknown: u64,
    /// By the host.
    pub by_host: u64,
    /// The registry is being drained.
    pub draining: u64,
    /// No room for another session.
    pub no_room: u64,
    /// No room for another session of that identity, or too many in a short time.
    pub identity_limit: u64,
    /// Another session of that identity has the name.
    pub same_name: u64,
    /// Displaced or too late while the host decided, or their session's owner was not there.
    pub too_late: u64,
}
