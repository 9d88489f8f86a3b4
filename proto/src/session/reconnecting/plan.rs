//! What a decision about reconnecting rests on, and what it comes to.

use crate::event::EndReason;
use crate::reconnect::{Cause, IntentKind};
use crate::rng::Rng;
use crate::session::events::Events;
use crate::time::Instant;

/// How the session stands while something is decided.
pub(crate) struct Circumstances<'a> {
    pub(crate) now: Instant,
    /// One end closed, and the session is not over.
    pub(crate) closing: bool,
    /// There is a session, which a resume would go on with.
    pub(crate) established: bool,
    /// A connection carries it.
    pub(crate) attached: bool,
    /// That connection stayed up long enough for the backoff to start afresh.
    pub(crate) stable: bool,
    /// A connection is proving itself.
    pub(crate) proving: bool,
    pub(crate) rng: &'a mut Rng,
    pub(crate) events: &'a mut Events,
}

impl Circumstances<'_> {
    /// What a dial is for now.
    pub(crate) fn dial_kind(&self) -> IntentKind {
        if !self.established {
            IntentKind::Establish
        } else if self.attached {
            IntentKind::Migrate
        } else {
            IntentKind::Resume
        }
    }
}

/// What becomes of the session by a decision about reconnecting.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Decision {
    /// It goes on.
    GoOn,
    /// It ends for this reason; there is nobody to tell.
    End(EndReason),
    /// It ends, so that a fresh one can take its place; the peer is told.
    GiveWay { cause: Cause },
}
