//! What a gateway tells its host, and the words for it.

use alloc::string::String;

use thiserror::Error;

/// One of the two ends of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Who started the session.
    Client,
    /// Where it runs.
    Agent,
}

impl End {
    /// The end that this one talks to.
    #[must_use]
    pub const fn other(self) -> End {
        match self {
            End::Client => End::Agent,
            End::Agent => End::Client,
        }
    }
}

/// A connection, by its number; none is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Something the host may want to know. Up to 1,024 of them wait until they are asked for; then the oldest go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An end has said who it is, and its connection carries the session now.
    Attached {
        /// The session.
        session_id: String,
        /// The end.
        end: End,
        /// Its connection.
        connection: ConnectionId,
        /// The one before, which is not wanted any more.
        replaced: Option<ConnectionId>,
    },
    /// An end has no connection any more.
    Detached {
        /// The session.
        session_id: String,
        /// The end.
        end: End,
        /// The connection that it had.
        connection: ConnectionId,
    },
    /// A connection is not wanted, because of what came first on it, or because nothing did.
    Refused {
        /// The session that it was for.
        session_id: String,
        /// The connection.
        connection: ConnectionId,
        /// Why.
        refusal: Refusal,
    },
    /// A session is over.
    Ended {
        /// The session.
        session_id: String,
        /// Who ended it.
        by: EndedBy,
        /// Its numbers.
        stats: SessionStats,
    },
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The first message is not one that opens a channel.
    #[error("the first message does not open a data channel")]
    NotAnOpening,
    /// The token is none of this session and this end, or was used before.
    #[error("the token is not valid")]
    Token,
    /// The session has ended meanwhile.
    #[error("the session is already terminated")]
    Ended,
    /// Nothing came in time.
    #[error("no message opened the data channel in time")]
    Timeout,
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndedBy {
    /// Its agent said that it ends.
    Agent,
    /// The host, by [`Gateway::terminate`](crate::ssm::gateway::Gateway::terminate).
    Host,
    /// Nobody: neither end had a connection for too long.
    Abandoned,
}

/// Why a session was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// There are as many as may be.
    #[error("there are too many sessions")]
    Full,
    /// There is one of this name.
    #[error("there is a session of this name")]
    Exists,
    /// The name is none: see [`is_session_id`].
    #[error("not a name for a session")]
    Name,
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// There is no such session, or it has ended.
    #[error("there is no such session, or it is already terminated")]
    NoSession,
    /// As many as may be have not said who they are.
    #[error("there are too many connections that were not opened")]
    Full,
}

/// Numbers of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// What came from the client.
    pub client: EndStats,
    /// What came from the agent.
    pub agent: EndStats,
}

impl SessionStats {
    /// Those of one end.
    #[must_use]
    pub fn of(&self, end: End) -> EndStats {
        match end {
            End::Client => self.client,
            End::Agent => self.agent,
        }
    }
}

/// Numbers of one end, and of what it sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndStats {
    /// Whether it has a connection.
    pub is_attached: bool,
    /// Connections that it has had.
    pub connections: u64,
    /// Frames that were passed to a connection of the other end.
    pub passed_frames: u64,
    /// Their bytes.
    pub passed_bytes: u64,
    /// Frames that found no room while the other end was away.
    pub overflowed_frames: u64,
    /// Their bytes.
    pub overflowed_bytes: u64,
    /// Messages that were no frames, too long, or of a type that is not this end's to send.
    pub refused_messages: u64,
    /// Bytes that wait for the other end.
    pub held_bytes: usize,
}

/// Whether this can name a session: 1 to 96 letters, digits, `_`, `.` and `-`, all of them ASCII, as it is in AWS's API. Such a name
/// stands in a path, in XML and in JSON as it is. `.` and `..` mean something else in a path, and are none.
///
/// ```
/// use unbroken_proto::ssm::gateway::is_session_id;
/// assert!(is_session_id("alice-0123456789abcdef0"));
/// assert!(!is_session_id("../alice"));
/// ```
#[must_use]
pub fn is_session_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=96).contains(&text.len()) && text.bytes().all(is_plain) && !matches!(text, "." | "..")
}
