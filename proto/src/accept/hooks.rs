//! What a test needs to know of a client that proved itself, and production does not: which session it asks about. Behind
//! the feature `test-hooks`, which only the tests of this workspace enable.

use super::incoming::{Incoming, IncomingKind};
use crate::wire::frame::Predecessor;

impl Incoming {
    /// The predecessor that AUTH_PROOF named.
    #[must_use]
    pub fn predecessor(&self) -> Option<&Predecessor> {
        match &self.kind {
            IncomingKind::Proven(proven) => proven.offer.predecessor.as_ref(),
            IncomingKind::Resume { .. } | IncomingKind::Handshake(_) | IncomingKind::Failed => None,
        }
    }
}
