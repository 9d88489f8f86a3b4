//! What is to happen, in order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use unbroken_proto::SessionId;
use unbroken_proto::server::Report;

use super::End;
use super::server::Mail;

/// Names a connection.
pub type ConnId = u64;

/// Something that happens.
#[derive(Debug)]
pub enum Scheduled {
    /// A client's dial number so-and-so ends.
    Dialled(usize, u64),
    /// A client's machine may have something due.
    ClientDue(usize),
    /// A slow reader reads.
    Read(usize),
    /// The server accepts a connection.
    Accepted(ConnId),
    /// A packet arrives at this end.
    Arrives(ConnId, End, Vec<u8>),
    /// This end learns that the connection is gone.
    Gone(ConnId, End),
    /// A connection breaks.
    Cut(ConnId),
    /// A session's owner may have something due.
    OwnerDue(SessionId),
    /// The registry may.
    RegistryDue,
    /// A report reaches the registry.
    Reported(Report),
    /// Mail reaches a session's owner.
    Mail(SessionId, Mail),
}

/// See the module. What happens at the same time happens in the order it was planned.
#[derive(Debug, Default)]
pub struct Queue {
    order: BinaryHeap<Reverse<(u64, u64)>>,
    what: BTreeMap<u64, Scheduled>,
    next: u64,
}

impl Queue {
    /// Plans it.
    pub fn push(&mut self, at: u64, what: Scheduled) {
        self.order.push(Reverse((at, self.next)));
        self.what.insert(self.next, what);
        self.next += 1;
    }

    /// What happens next, if it does by `until`.
    pub fn pop_until(&mut self, until: u64) -> Option<(u64, Scheduled)> {
        let Reverse((at, number)) = *self.order.peek()?;
        if at > until {
            return None;
        }
        self.order.pop();
        self.what.remove(&number).map(|what| (at, what))
    }
}
