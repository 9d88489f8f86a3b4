//! A look inside, for the simulator's oracle.

use super::Session;

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
}

impl Session {
    pub(super) fn inspection(&self) -> Inspection {
        Inspection {
            expected: self.ledger.expected(),
            stated: self.ledger.stated(),
            acked: self.ledger.acked(),
            next: self.ledger.next(),
            redundant: self.redundant,
            committed_bytes: self.ledger.outbox.bytes(),
            counter: self.ticket.as_ref().map_or(0, |ticket| ticket.counter),
            links: [self.links.candidate.is_some(), self.links.current.is_some(), self.links.draining.is_some()],
        }
    }
}
