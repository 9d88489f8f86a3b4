//! How long packets to the peer may be: what both ends said, and what lost connections have shown.

use core::cmp::Ordering;

use super::connections::{Attach, PathLimit};
use super::machine::Session;
use crate::event::Event;
use crate::reconnect::Cause;
use crate::time::Instant;

impl Session {
    /// Longest packet that is sent to the peer now, in bytes, type byte and tag included: the least of
    /// [`packet_limit`](crate::SessionConfig::packet_limit) of both ends, and of what lost connections have shown
    /// ([`Event::PacketLimit`]).
    #[must_use]
    pub fn packet_limit(&self) -> usize {
        self.connections
            .path_limit
            .longest(&self.config, self.identity.parameters())
    }

    /// The next connection begins, and the peer had all below `stated` then: what became of the packets on the one before is known.
    pub(super) fn learn_of_attach(&mut self, now: Instant, attach: Attach) {
        if !attach.planned
            && let Some(displaced) = self.connections.current.as_deref()
        {
            // The peer knew before us that it is over.
            self.connections.path_limit.on_lost(Cause::Network, &displaced.carried);
        }
        let change = self.learn_of_path(|path| path.on_attached(now, attach.stated));
        if change == Ordering::Less {
            // What was lost was lost for this, and will not be again: that was no try in vain.
            self.connections.patience.on_progress();
            self.reconnecting.forgive_tries();
        }
    }

    /// Has what is known of the way to the peer change, and says so if other packets are sent for it: how their limit is to that before.
    fn learn_of_path(&mut self, learn: impl FnOnce(&mut PathLimit)) -> Ordering {
        let before = self.packet_limit();
        learn(&mut self.connections.path_limit);
        let limit = self.packet_limit();
        if limit != before {
            self.events.push(Event::PacketLimit { limit });
        }
        limit.cmp(&before)
    }

    /// When longer packets are tried again, if there is a connection to try them on.
    pub(super) fn next_raise(&self) -> Option<Instant> {
        self.connections.current.as_ref()?;
        self.connections.path_limit.deadline()
    }

    pub(super) fn on_raise_timeout(&mut self, now: Instant) {
        if self.next_raise().is_some_and(|at| now >= at) {
            self.learn_of_path(|path| path.on_timeout(now));
        }
    }
}
