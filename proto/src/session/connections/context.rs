//! What a packet touches beyond its connection, in either direction.

use crate::config::SessionConfig;
use crate::liveness::Patience;
use crate::session::closing::Closing;
use crate::session::connections::PathLimit;
use crate::session::counters::Counters;
use crate::session::events::Events;
use crate::session::ledger::{Ledger, PeerClose};
use crate::time::Instant;
use crate::wire::frame::Parameters;

/// The parts of a session that a packet works on, borrowed in place beside its connection.
pub(crate) struct PacketContext<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a SessionConfig,
    /// What the peer asked for, once it is known.
    pub(crate) peer: Option<&'a Parameters>,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) closing: &'a mut Closing,
    pub(crate) patience: &'a mut Patience,
    pub(crate) path_limit: &'a mut PathLimit,
    pub(crate) events: &'a mut Events,
    pub(crate) counters: &'a mut Counters,
}

impl PacketContext<'_> {
    /// The longest packet that may be sent.
    pub(crate) fn longest_packet(&self) -> usize {
        self.path_limit.longest(self.config, self.peer)
    }

    /// The peer's CLOSE took effect: our fates are known, and the peer's are once it reads CLOSED.
    pub(crate) fn on_peer_close(&mut self, close: PeerClose) {
        if self.closing.on_peer_close(self.now, close, self.config.linger) {
            self.events.peer_closes(self.ledger.journal.as_deref_mut());
        }
        self.ledger.streams.close_for_sending();
    }

    /// Our CLOSE was packed. Whether the peer's was held and counts now, so that CLOSED is owed.
    pub(crate) fn on_close_committed(&mut self, position: u64) -> bool {
        self.closing.on_committed(position);
        let held = self.ledger.freeze();
        let owed = held.is_some();
        if let Some(held) = held {
            self.closing.on_held_close(self.now, held, self.config.linger);
            self.ledger.streams.close_for_sending();
        }
        owed
    }
}
