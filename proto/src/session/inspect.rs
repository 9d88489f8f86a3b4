//! A look inside, for the simulator's oracle.

use core::fmt::{Debug, Write};

use super::connections::{ActiveConnection, Stage};
use super::machine::Session;

/// Positions and counters that only tests have a use for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The next position to arrive in order.
    pub expected: u64,
    /// The position stated to the peer.
    pub stated: u64,
    /// All below is known to be the peer's.
    pub acked: u64,
    /// The position the next commit gets.
    pub next: u64,
    /// Payload bytes packed below what the peer had stated on that connection. Always zero.
    pub redundant: u64,
    /// Bytes of committed frames waiting for acknowledgement, in charges.
    pub committed_bytes: usize,
    /// The highest attach counter (used, or authentic).
    pub counter: u64,
    /// Candidate, current, draining: which connections there are.
    pub links: [bool; 3],
    /// A hash over everything that outlives a connection; the authentic attach counter apart.
    pub state_hash: u64,
}

/// FNV-1a over what `Debug` prints.
struct Hash(u64);

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

fn hash(parts: &[&dyn Debug]) -> u64 {
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    for part in parts {
        let _ = write!(hash, "{part:?};");
    }
    hash.0
}

impl Debug for Session {
    /// Without keys, secrets and payloads.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session")
            .field("side", &self.side())
            .field("id", &self.id())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// For tests and tools: positions and counters that applications have no use for.
    #[doc(hidden)]
    pub fn inspect(&self) -> Inspection {
        Inspection {
            expected: self.ledger.expected(),
            stated: self.ledger.stated(),
            acked: self.ledger.acked(),
            next: self.ledger.next(),
            redundant: self.counters.redundant,
            committed_bytes: self.ledger.outbox.bytes(),
            counter: self.identity.ticket.as_ref().map_or(0, |ticket| ticket.counter),
            state_hash: self.state_hash(),
            links: [
                self.connections.candidate.is_some(),
                self.connections.current.is_some(),
                self.connections.draining.is_some(),
            ],
        }
    }

    /// A frame with a position never changes, so positions and charges name what is held.
    fn state_hash(&self) -> u64 {
        let ledger = &self.ledger;
        let closes = u64::from(self.closing.has_committed()) | u64::from(self.closing.peer_closed()) << 1;
        let held = [
            ledger.outbox.bytes(),
            ledger.inbox.bytes(),
            ledger.streams.outbox_bytes(),
            ledger.streams.unread_bytes(),
        ];
        let positions = [
            ledger.acked(),
            ledger.next(),
            ledger.expected(),
            ledger.stated(),
            closes,
            self.state() as u64,
        ];
        let parts = positions.into_iter().chain(held.into_iter().map(|n| n as u64));
        parts.fold(0, |hash: u64, n| {
            (hash ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        })
    }

    /// For tests and tools: a hash over the connections, instants left out.
    #[doc(hidden)]
    #[must_use]
    pub fn inspect_links(&self) -> u64 {
        let stage = self
            .connections
            .candidate
            .as_ref()
            .map(|candidate| match &candidate.stage {
                Stage::Hello { .. } => (1, None),
                Stage::Proven { .. } => (2, None),
                Stage::Resuming { alive, .. } => (3 + u8::from(*alive), None),
                Stage::Answered { attach, .. } => (5, Some(*attach)),
            });
        let draining = self
            .connections
            .draining
            .as_ref()
            .map(|draining| connection_hash(&draining.connection));
        let current = self.connections.current().map(connection_hash);
        let wish = self.reconnecting.intent().map(|intent| intent.kind);
        let counter = self
            .identity
            .ticket
            .as_ref()
            .map(|ticket| (ticket.counter, ticket.candidate.is_some()));
        hash(&[
            &stage,
            &draining,
            &current,
            &wish,
            &counter,
            &self.connections.is_parting(),
        ])
    }
}

fn connection_hash(live: &ActiveConnection) -> u64 {
    let flags = (
        live.from_due,
        live.silent,
        live.resync_answered,
        live.closed_due,
        live.resync_due,
        live.abandoned,
    );
    let cursors = (
        live.cursor,
        live.detour,
        live.arriving,
        live.acked_to_peer,
        live.stated_by_peer,
    );
    let replies = (
        live.pong.is_some(),
        live.acks.due(),
        live.ping.outstanding.is_some(),
        live.go_away.is_some(),
    );
    hash(&[&flags, &cursors, &replies, &live.swap])
}
