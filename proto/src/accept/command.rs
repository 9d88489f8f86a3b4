//! What a registry wants of a session that it does not own.

use bytes::Bytes;

use crate::error::CodeTooLarge;
use crate::limits::check_code;
use crate::time::Duration;

/// What a session's owner is to do, with [`Session::handle_command`](crate::Session::handle_command).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCommand {
    /// Close it gracefully.
    Close {
        /// The code its client is told; up to [`MAX_CODE`](crate::config::MAX_CODE).
        code: u64,
        /// The reason that its client is given with it, cut to 1,024 bytes.
        reason: Bytes,
    },
    /// End it now.
    Abort,
    /// Ask its client to leave its connection: GOAWAY. Nothing happens to a session without one.
    Leave {
        /// Before this much time is over.
        within: Duration,
        /// Where to go instead, in the hosts' own format; empty: the same place.
        alternate: Bytes,
    },
    /// From now on it may be detached for this long.
    Lifetime(Duration),
    /// End it now: another session took its name.
    Replace,
    /// End it if it is still detached: the memory for detached sessions is spent.
    Evict,
}

impl SessionCommand {
    /// Whether a session can carry it out: its code fits the wire.
    pub(crate) fn check(&self) -> Result<(), CodeTooLarge> {
        match self {
            SessionCommand::Close { code, .. } => check_code(*code),
            _ => Ok(()),
        }
    }
}
