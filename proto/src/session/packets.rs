//! Hands a packet, in or out, to its connection, with the parts of the session that it works on.

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
    /// The connection of that role; `None`: there is none that carries the session.
    fn borrow(&mut self, now: Instant, role: ConnectionRole) -> Option<Borrowed<'_>> {
        let connections = &mut self.connections;
        let (current, draining) = (connections.current.as_deref_mut(), connections.draining.as_mut());
        let is_draining = draining.is_some();
        let (connection, successor) = match role {
            ConnectionRole::Current => (current?, None),
            ConnectionRole::Draining => (&mut *draining?.connection, current),
            ConnectionRole::Candidate => return None,
        };
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
                events: &mut self.events,
                counters: &mut self.counters,
            },
        })
    }

    pub(super) fn transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool {
        let packed = match self.connections.role(epoch) {
            Some(ConnectionRole::Candidate) => {
                let candidate = self.connections.candidate.as_mut();
                let outgoing = candidate.and_then(|candidate| candidate.outgoing.take());
                outgoing.inspect(|packet| buf.extend_from_slice(packet)).is_some()
            }
            Some(role) => self.borrow(now, role).is_some_and(|borrowed| borrowed.pack(buf)),
            None => self
                .connections
                .take_parting(epoch)
                .is_some_and(|parting| parting.pack(buf)),
        };
        self.counters.stats.packets_sent += u64::from(packed);
        packed
    }

    pub(super) fn on_packet(
        &mut self,
        now: Instant,
        epoch: Epoch,
        mut packet: BytesMut,
    ) -> Result<(), ConnectionError> {
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
        if let Some(alternate) = received.go_away {
            self.reconnecting.want_migration(Cause::ServerAsked, alternate);
        }
        if let Some(finish) = received.finish {
            self.conclude(now, finish);
        }
        Ok(())
    }
}
