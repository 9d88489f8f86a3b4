//! What a test needs to compare a verdict with the truth at the moment it is drawn: a verdict travels sealed. Not for
//! production: behind the feature `test-hooks`, which only the tests of this workspace enable.

use super::routing::Registry;
use crate::accept::{Incoming, IncomingKind};
use crate::id::SessionId;
use crate::time::Instant;
use crate::wire::frame::Verdict;

impl Registry {
    /// What [`admit`](Registry::admit) would say of the predecessor, if it made a session now. `None`: none was named, or
    /// it is held here.
    pub fn verdict_on(&mut self, now: Instant, incoming: &Incoming) -> Option<Verdict> {
        let now = self.advance(now);
        let IncomingKind::Proven(proven) = &incoming.kind else {
            return None;
        };
        let named = SessionId(proven.offer.predecessor.as_ref()?.id);
        if self.sessions.contains(named) {
            return None;
        }
        self.verdict(now, proven)
    }

    /// Whether a tombstone of the session is kept.
    #[must_use]
    pub fn is_entombed(&self, session: SessionId) -> bool {
        self.tombstones.contains(session)
    }
}
