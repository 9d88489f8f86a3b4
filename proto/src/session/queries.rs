//! What anybody may ask at any time.

use super::Session;
use super::state::SessionState;
use crate::id::{SessionId, Side};
use crate::security::PublicKey;
use crate::stats::Stats;

impl Session {
    /// Which end this is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The session's name, once the handshake is complete.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.ticket.as_ref().map(|ticket| ticket.id)
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.state.public()
    }

    /// The peer's static key, once proven.
    #[must_use]
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.peer.as_ref().map(|peer| peer.key)
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            srtt: self.links.current().and_then(|live| live.rtt.srtt()),
            outbox_bytes: self.ledger.streams.outbox_bytes(),
            inbox_bytes: self.ledger.inbox.bytes(),
            unread_bytes: self.ledger.streams.unread_bytes(),
            ..self.stats
        }
    }
}
