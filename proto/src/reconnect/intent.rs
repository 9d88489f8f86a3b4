//! What the machine wants of its host.

use bytes::Bytes;

use super::cause::Cause;
use super::strategy::{Preparation, Strategy};
use crate::redacted::Redacted;
use crate::time::Instant;

/// What the machine wants done to have a connection. A level: it may be asked for again and again, and
/// stands until the attempt is answered, or its deadline passes. First comes
/// [`preparation`](Self::preparation), then [`refresh_credential`](Self::refresh_credential), then the dial,
/// answered with [`attach`](crate::Session::attach) or an [`Answer`](crate::reconnect::Answer).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectIntent {
    /// Number of the attempt; strictly growing over the session's life. A host whose dial is for an
    /// older number than the intent shows gives that dial up.
    pub attempt: u64,
    /// Do not prepare or dial before this.
    pub not_before: Instant,
    /// The machine gives the attempt up at this instant.
    pub deadline: Instant,
    /// What the connection is for.
    pub kind: IntentKind,
    /// What is being done; never [`Strategy::Force`], but the step it has come to.
    pub strategy: Strategy,
    /// To be done and answered first; no dial counts before. `None` once it is done.
    pub preparation: Option<Preparation>,
    /// The host's own bytes, with [`Preparation::Restart`] and [`Preparation::Recover`]; else empty.
    pub preserved: Bytes,
    /// What the last connection or attempt died of; `None` for the first.
    pub cause: Option<Cause>,
    /// Get a fresh credential first and pass it to
    /// [`Answer::Credential`](crate::reconnect::Answer::Credential); no dial counts before.
    pub refresh_credential: bool,
    /// Where the peer asked us to go instead, in the host's own format; empty: the usual place.
    pub alternate: Bytes,
}

/// Names the length of the host's own bytes, and shows none.
impl core::fmt::Debug for ReconnectIntent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ReconnectIntent")
            .field("attempt", &self.attempt)
            .field("not_before", &self.not_before)
            .field("deadline", &self.deadline)
            .field("kind", &self.kind)
            .field("strategy", &self.strategy)
            .field("preparation", &self.preparation)
            .field("preserved", &Redacted(&self.preserved))
            .field("cause", &self.cause)
            .field("refresh_credential", &self.refresh_credential)
            .field("alternate", &self.alternate)
            .finish()
    }
}

impl ReconnectIntent {
    /// Whether all that comes before the dial is done.
    #[must_use]
    pub fn is_dial(&self) -> bool {
        self.preparation.is_none() && !self.refresh_credential
    }
}

/// What a wanted connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntentKind {
    /// The session's first handshake.
    Establish,
    /// Resume after the last connection was lost.
    Resume,
    /// Replace a connection that still works.
    Migrate,
}
