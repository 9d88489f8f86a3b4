//! What a host says of an intent it was asked to carry out.

use bytes::Bytes;

use super::{Cause, Continuity};
use crate::time::Duration;

/// The host's answer to a [`ReconnectIntent`](super::ReconnectIntent), for
/// [`Session::handle_answer`](crate::Session::handle_answer). A dial that succeeded is answered with
/// [`Session::attach`](crate::Session::attach) instead.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// What was asked for, a dial or a preparation, failed of this.
    ///
    /// A cause that [is final](super::Strategies::is_final) ends a session that was never established.
    Failed(Cause),
    /// The dial was answered "later" by somebody on the way (a proxy's or an HTTP server's 429 or 503): it failed of
    /// [`Cause::ServerAsked`], and the next one comes no sooner than this. As nobody has proven anything, it is clamped to
    /// the backoff's cap; up to half as much again comes on top, at random.
    Postponed(Duration),
    /// [`Preparation::Restore`](super::Preparation::Restore) is done: the session's state was loaded again and is what this
    /// machine holds.
    Restored,
    /// [`Preparation::Restart`](super::Preparation::Restart) is done: the peer's process runs again, with or without the
    /// session.
    Restarted(Continuity),
    /// [`Preparation::Recover`](super::Preparation::Recover) is done: what runs inside has its state again.
    Recovered,
    /// The fresh credential that was asked for. As good for the next attempt as for this one, so that its number does not
    /// matter. One over 7,000 bytes would be useless, and counts as [`NoCredential`](Self::NoCredential).
    Credential(Bytes),
    /// There is no fresh credential: the session ends, [`Unauthorized`](crate::event::EndReason::Unauthorized), if one is
    /// still required, whichever attempt asks. Where one is only
    /// [welcome](crate::session::Reconnecting::is_credential_welcome), that ends a session that was never established; one that was dials
    /// on, and asks no more before a connection has proven itself.
    NoCredential,
}

impl core::fmt::Debug for Answer {
    /// A credential by its length only.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Answer::Failed(cause) => f.debug_tuple("Failed").field(cause).finish(),
            Answer::Postponed(after) => f.debug_tuple("Postponed").field(after).finish(),
            Answer::Restored => f.write_str("Restored"),
            Answer::Restarted(continuity) => f.debug_tuple("Restarted").field(continuity).finish(),
            Answer::Recovered => f.write_str("Recovered"),
            Answer::Credential(credential) => write!(f, "Credential({} bytes)", credential.len()),
            Answer::NoCredential => f.write_str("NoCredential"),
        }
    }
}
