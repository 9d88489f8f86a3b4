//! A connection between the two: a queue of packets each way, and how many bytes still pass.

use std::collections::VecDeque;

use bytes::BytesMut;
use unbroken_proto::server::{ConnectionId, Incoming};
use unbroken_proto::{Epoch, Side};

/// What the accepting side made of a connection.
#[derive(Debug)]
pub enum ServerEnd {
    /// It has said nothing yet.
    Silent(ConnectionId),
    /// A handshake is going on.
    Handshake(ConnectionId, Box<Incoming>),
    /// It belongs to the session.
    Bound(Epoch),
    /// Closed here.
    Closed,
}

/// See the module.
#[derive(Debug)]
pub struct Wire {
    /// The client's number for it; `None` once the client closed it.
    pub client: Option<Epoch>,
    /// The client's number for it, for input after it was given up.
    pub was: Epoch,
    /// The server's side of it.
    pub server: ServerEnd,
    queues: [VecDeque<Vec<u8>>; 2],
    budgets: [Option<usize>; 2],
    passed: [usize; 2],
    /// A packet did not fit its budget.
    pub broken: bool,
    /// Everything that was written, in order: from the client?, packet.
    pub log: Vec<(bool, Vec<u8>)>,
}

/// Index of the queue that `from` writes.
fn index(from: Side) -> usize {
    if from == Side::Client { 0 } else { 1 }
}

impl Wire {
    /// A fresh one. `budgets`: bytes that pass, from the client and from the server.
    #[must_use]
    pub fn new(client: Epoch, server: ConnectionId, budgets: [Option<usize>; 2]) -> Wire {
        Wire {
            client: Some(client),
            was: client,
            server: ServerEnd::Silent(server),
            queues: [VecDeque::new(), VecDeque::new()],
            budgets,
            passed: [0; 2],
            broken: false,
            log: Vec::new(),
        }
    }

    /// `from` writes a packet. It counts with its 2-byte length; one that is cut in the middle never
    /// arrives, and nothing behind it.
    pub fn write(&mut self, from: Side, packet: &[u8]) {
        let way = index(from);
        let cost = packet.len() + 2;
        self.log.push((from == Side::Client, packet.to_vec()));
        self.passed[way] += cost;
        if let Some(budget) = &mut self.budgets[way] {
            match budget.checked_sub(cost) {
                Some(rest) => *budget = rest,
                None => {
                    *budget = 0;
                    self.broken = true;
                    return;
                }
            }
        }
        self.queues[way].push_back(packet.to_vec());
    }

    /// Somebody on the path says `packet` in the name of `from`, cut or not.
    pub fn forge(&mut self, from: Side, packet: &[u8]) {
        self.queues[index(from)].push_back(packet.to_vec());
    }

    /// The next packet that `from` wrote.
    pub fn take(&mut self, from: Side) -> Option<BytesMut> {
        self.queues[index(from)]
            .pop_front()
            .map(|packet| BytesMut::from(packet.as_slice()))
    }

    /// What is in flight from `from`.
    #[must_use]
    pub fn in_flight(&self, from: Side) -> &VecDeque<Vec<u8>> {
        &self.queues[index(from)]
    }

    /// Bytes that were written from `from`, framing included.
    #[must_use]
    pub fn passed(&self, from: Side) -> usize {
        self.passed[index(from)]
    }

    /// Nothing more passes either way; what is in flight from `from` is lost if `lose` says so.
    pub fn cut(&mut self, lose: [bool; 2]) {
        self.budgets = [Some(0); 2];
        self.broken = true;
        for (queue, lost) in self.queues.iter_mut().zip(lose) {
            if lost {
                queue.clear();
            }
        }
    }

    /// The server's number for it.
    #[must_use]
    pub fn server_epoch(&self) -> Option<Epoch> {
        match self.server {
            ServerEnd::Bound(epoch) => Some(epoch),
            _ => None,
        }
    }
}
