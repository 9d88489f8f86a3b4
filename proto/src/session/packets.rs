//! The calls for packets: each is handed, in or out, to its connection, with the parts of the session that it works on.

use alloc::vec::Vec;

use bytes::BytesMut;

use super::closing::Finish;
use super::connections::packing::Packing;
use super::connections::receiving::{self, Received, Receiving};
use super::connections::{ActiveConnection, ConnectionRole, PacketContext};
use super::machine::Session;
use crate::error::{ConnectionError, ProtocolError, Violation};
use crate::id::Epoch;
use crate::reconnect::Cause;
use crate::time::Instant;
use crate::trace;

/// A connection that carries the session, borrowed where it lies beside what its packets work on.
struct Borrowed<'a> {
    connection: &'a mut ActiveConnection,
    is_current: bool,
    /// The current connection, if this one drains in its favour.
    successor: Option<&'a mut ActiveConnection>,
    /// Whether an older connection drains beside this one.
    draining: bool,
    session: PacketContext<'a>,
}

impl Borrowed<'_> {
    fn pack(self, buf: &mut Vec<u8>) -> bool {
        let mut packing = Packing {
            connection: self.connection,
            is_current: self.is_current,
            session: self.session,
        };
        packing.pack(buf)
    }

    fn receive(self, plaintext: BytesMut) -> Result<Received, Violation> {
        let mut receiving = Receiving {
            connection: self.connection,
            is_current: self.is_current,
            successor: self.successor,
            draining: self.draining,
            session: self.session,
        };
        receiving.receive(plaintext)
    }
}

impl Session {
    /// A packet arrived on the connection `epoch`.
    ///
    /// # Errors
    /// Drop this connection (what [`poll_transmit`](Self::poll_transmit) still has for it may be sent
    /// first). The machine knows already; there is no need to call [`detach`](Self::detach).
    pub fn handle_input(&mut self, now: Instant, epoch: Epoch, packet: BytesMut) -> Result<(), ConnectionError> {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        trace::packet_in(epoch, packet.len());
        let result = self.on_packet(now, epoch, packet);
        let _ = result.as_ref().inspect_err(|error| trace::refused_input(epoch, error));
        // If the session is over because of it, the last packet to the peer stays.
        if let Err(error) = &result
            && self.is_wanted(epoch)
        {
            self.drop_connection(now, epoch, Cause::of(error));
        }
        let carries = self
            .connections
            .role(epoch)
            .is_some_and(|role| role != ConnectionRole::Candidate);
        if carries && self.ledger.is_overrun() {
            // The next one is answered once what this one brought is kept, and what it did not bring is said again there.
            self.drop_connection(now, epoch, Cause::Local);
        }
        self.settle(now);
        result
    }

    /// Commits one packet for the connection `epoch` and appends it to `buf`; `false`: nothing to
    /// send on it now. To be asked when the carrier can take a packet.
    pub fn poll_transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        let start = buf.len();
        let packed = self.transmit(now, epoch, buf);
        if packed {
            trace::packet_out(epoch, buf.len() - start);
        }
        packed
    }

    /// The connection of that role; `None`: there is none that carries the session, or the peer has left it.
    fn borrow(&mut self, now: Instant, role: ConnectionRole) -> Option<Borrowed<'_>> {
        let connections = &mut self.connections;
        let (current, draining) = (connections.current.as_deref_mut(), connections.draining.as_deref_mut());
        let is_draining = draining.is_some();
        let (connection, successor) = match role {
            ConnectionRole::Current => (current?, None),
            ConnectionRole::Draining => (&mut draining?.connection, current),
            ConnectionRole::Candidate => return None,
        };
        if connection.abandoned {
            return None;
        }
        Some(Borrowed {
            connection,
            is_current: role == ConnectionRole::Current,
            successor,
            draining: is_draining,
            session: PacketContext {
                now,
                config: &self.config,
                peer: self.identity.parameters(),
                ledger: &mut self.ledger,
                closing: &mut self.closing,
                patience: &mut connections.patience,
                path_limit: &mut connections.path_limit,
                events: &mut self.events,
                counters: &mut self.counters,
            },
        })
    }

    fn transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool {
        let packed = match self.connections.role(epoch) {
            Some(ConnectionRole::Candidate) => {
                let candidate = self.connections.candidate.as_mut();
                let candidate = candidate.filter(|candidate| self.ledger.has_kept(candidate.after));
                candidate.is_some_and(|candidate| candidate.transmit(now, buf))
            }
            Some(role) => self.borrow(now, role).is_some_and(|borrowed| borrowed.pack(buf)),
            None if !self.may_part(epoch) => false,
            None => self
                .connections
                .take_parting(epoch)
                .is_some_and(|parting| parting.pack(buf)),
        };
        self.counters.stats.packets_sent += u64::from(packed);
        packed
    }

    /// Whether the last packet on that connection may go.
    fn may_part(&self, epoch: Epoch) -> bool {
        let after = self.connections.parting_waits_for(epoch);
        after.is_some_and(|after| self.ledger.has_kept(after))
    }

    fn on_packet(&mut self, now: Instant, epoch: Epoch, mut packet: BytesMut) -> Result<(), ConnectionError> {
        match self.connections.role(epoch) {
            None => Ok(()),
            Some(ConnectionRole::Candidate) => self.on_candidate_packet(now, epoch, packet),
            Some(role) => {
                let Some(borrowed) = self.borrow(now, role) else {
                    return Ok(());
                };
                receiving::open(&mut borrowed.connection.keys, &mut packet)?;
                let received = borrowed.receive(packet);
                self.act_on(now, received).map_err(ConnectionError::from)
            }
        }
    }

    /// The plaintext of one authentic packet on the current connection.
    pub(super) fn on_frames(&mut self, now: Instant, plaintext: BytesMut) -> Result<(), ConnectionError> {
        let Some(borrowed) = self.borrow(now, ConnectionRole::Current) else {
            return Ok(());
        };
        let received = borrowed.receive(plaintext);
        self.act_on(now, received).map_err(ConnectionError::from)
    }

    /// What one packet asks of the session.
    fn act_on(&mut self, now: Instant, received: Result<Received, Violation>) -> Result<(), ProtocolError> {
        let received = received
            .inspect_err(|violation| self.conclude(now, Finish::of_violation(violation)))
            .map_err(|violation| violation.rule)?;
        if received.answered {
            self.on_answered(now);
        }
        self.probe_draining(now);
        if let Some(alternate) = received.go_away {
            self.probe_for_swap(now);
            self.reconnecting.want_migration(Cause::ServerAsked, alternate);
        }
        if let Some(finish) = received.finish {
            self.conclude(now, finish);
        }
        Ok(())
    }
}
