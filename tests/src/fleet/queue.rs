//! What is to happen, in order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use unbroken_proto::SessionId;
use unbroken_proto::server::Report;

use super::End;
use super::far::Errand;

/// Names a connection.
pub type ConnId = u64;

/// Something that happens.
#[derive(Debug)]
pub enum What {
    /// A client's dial number so-and-so ends.
    Dialled(usize, u64),
    /// A client's machine may have something due.
    Near(usize),
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
    Far(SessionId),
    /// The registry may.
    Front,
    /// A report reaches the registry.
    Reported(Report),
    /// An errand reaches a session's owner.
    Errand(SessionId, Errand),
}

/// See the module. What happens at the same time happens in the order it was planned.
#[derive(Debug, Default)]
pub struct Queue {
    command: BinaryHeap<Reverse<(u64, u64)>>,
    what: BTreeMap<u64, What>,
    next: u64,
}

impl Queue {
    /// Plans it.
    pub fn push(&mut self, at: u64, what: What) {
        self.command.push(Reverse((at, self.next)));
        self.what.insert(self.next, what);
        self.next += 1;
    }

    /// What happens next, if it does by `until`.
    pub fn pop_until(&mut self, until: u64) -> Option<(u64, What)> {
        let Reverse((at, number)) = *self.command.peek()?;
        if at > until {
            return None;
        }
        self.command.pop();
        self.what.remove(&number).map(|what| (at, what))
    }
}
