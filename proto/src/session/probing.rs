//! What the host asks of a connection's liveness, and says for it: probes, changes of the network, bytes of packets that are
//! not whole yet.

use super::connections::{ConnectionRole, Draining};
use super::machine::Session;
use crate::event::Event;
use crate::id::{Epoch, Side};
use crate::time::{Instant, extended};

impl Session {
    /// Asks whether the peer is there, for a host that cannot wait for the heartbeat, as while a person looks at it.
    /// [`Event::Probed`] tells what came of it within four round trips: 250 ms at least, and 3 s at most or where none is known (longer
    /// only while packets of the peer still arrive). A connection whose peer does not answer is given up, and another is
    /// wanted at once. False, and nothing happens, if no connection carries the session.
    pub fn probe(&mut self, now: Instant) -> bool {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        let probing = self.connections.current.as_mut().map(|current| {
            if !current.abandoned {
                current.liveness.ask(now, current.rtt.srtt());
            }
            current.asked_at.get_or_insert(now);
        });
        self.settle(now);
        probing.is_some()
    }

    /// Bytes of a packet arrived on the connection `epoch`, and the packet is not whole yet. A host whose carrier can tell says so
    /// each time, so that a packet that takes long to cross a slow line is not taken for silence: each byte lengthens the wait
    /// under way (for a sign of life, or for a candidate's next packet) by a 30th of a second, to the usual wait at most, and after a
    /// second the peer is told that its packet is on its way. Optional.
    pub fn handle_partial(&mut self, now: Instant, epoch: Epoch, bytes: usize) {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        self.on_partial(now, epoch, bytes);
        self.settle(now);
    }

    /// The network that the connections go through is another one now, or may be.
    pub(super) fn on_network_changed(&mut self, now: Instant) {
        self.connections.path_limit.on_network_changed(now);
        self.reconnecting.hurry(now);
        self.renew(now);
        if let Some(current) = self.connections.heard_mut() {
            match self.side {
                Side::Client => current.liveness.doubt(now, current.rtt.srtt()),
                Side::Server => current.liveness.ask(now, current.rtt.srtt()),
            }
        }
    }

    /// A swap is planned: if nobody answers on the connection that is to be left, waiting for it is of no use.
    pub(super) fn probe_for_swap(&mut self, now: Instant) {
        if let Some(current) = self.connections.heard_mut() {
            current.liveness.ask(now, current.rtt.srtt());
        }
    }

    /// The peer did not answer on the current connection as soon as it does otherwise: another is dialled beside it.
    pub(super) fn on_doubt(&mut self) {
        self.reconnecting.want_another();
    }

    /// The probe that was asked for on a connection was answered.
    pub(super) fn on_answered(&mut self, now: Instant) {
        let current = self.connections.current.as_mut();
        if let Some(since) = current.and_then(|current| current.asked_at.take()) {
            self.events.push(Event::Probed {
                round_trip: Some(now.saturating_since(since)),
            });
        }
    }

    /// The probe that the host asked for, if it did, will not be answered.
    pub(super) fn on_unanswered(&mut self) {
        let current = self.connections.current.as_mut();
        if current.is_some_and(|current| current.asked_at.take().is_some()) {
            self.events.push(Event::Probed { round_trip: None });
        }
    }

    /// What is missing was sent on the connection that drains: it is asked whether it still brings it.
    pub(super) fn probe_draining(&mut self, now: Instant) {
        let expected = self.ledger.expected();
        let connections = &mut self.connections;
        let is_missing = connections
            .current
            .as_ref()
            .is_some_and(|current| current.swap.gap_open(expected));
        if let Some(Draining { connection, .. }) = connections.draining.as_deref_mut().filter(|_| is_missing)
            && !connection.liveness.is_asked()
        {
            connection.liveness.ask(now, connection.rtt.srtt());
        }
    }

    fn on_partial(&mut self, now: Instant, epoch: Epoch, bytes: usize) {
        let connections = &mut self.connections;
        match connections.role(epoch) {
            None => {}
            Some(ConnectionRole::Candidate) => {
                let longest = now + self.config.handshake_timeout;
                let later = |deadline: Instant| extended(deadline, longest, bytes);
                if let Some(candidate) = &mut connections.candidate {
                    candidate.deadline = later(candidate.deadline);
                }
                self.identity.provisional_until = self.identity.provisional_until.map(later);
            }
            Some(ConnectionRole::Current) => {
                if let Some(current) = &mut connections.current {
                    current.liveness.on_bytes(now, bytes, current.rtt.srtt());
                }
            }
            Some(ConnectionRole::Draining) => {
                if let Some(Draining { connection, .. }) = connections.draining.as_deref_mut() {
                    connection.liveness.on_bytes(now, bytes, connection.rtt.srtt());
                }
            }
        }
    }
}
