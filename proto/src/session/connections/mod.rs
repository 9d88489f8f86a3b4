//! Which connections a session has. At most one candidate, one current and one draining exist, and the last
//! packet on one whose session is over.
//!
//! | file | owns |
//! |---|---|
//! | `candidate` | a connection before it has proven itself, and one after the session's end |
//! | `active` | everything that dies with a connection that carries the session |
//! | `arriving` | where the peer's sequenced frames stand on one of these, and where a FROM may put them |
//! | `context` | what a packet touches beyond its connection |
//! | `assembly` | a frame that arrives in parts |
//! | `packet_size` | how long packets may be, as far as lost connections have shown it |
//! | `committing` | frames that get their positions |
//! | `packing` | sealed packets out |
//! | `receiving` | sealed packets in |

mod active;
mod arriving;
mod assembly;
mod candidate;
mod committing;
mod context;
mod packet_size;
pub(crate) mod packing;
pub(crate) mod receiving;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::durable::Mark;
use crate::id::Epoch;
use crate::liveness::Patience;
use crate::security::Keys;
use crate::time::Instant;
use crate::wire::frame::Frame;

pub(crate) use self::active::{ActiveConnection, Start};
pub(crate) use self::candidate::{Attach, Candidate, Parting, Stage, Timing};
pub(crate) use self::context::PacketContext;
pub(crate) use self::packet_size::PathLimit;

#[derive(Default)]
pub(crate) struct Connections {
    last_epoch: u64,
    /// Boxed, since most sessions have none most of the time.
    pub(crate) candidate: Option<Box<Candidate>>,
    pub(crate) current: Option<Box<ActiveConnection>>,
    pub(crate) draining: Option<Box<Draining>>,
    parting: Option<Box<Parting>>,
    /// How much longer than usual silence is borne; what one connection taught, the next one uses.
    pub(crate) patience: Patience,
    /// How long packets may be, learned likewise.
    pub(crate) path_limit: PathLimit,
}

/// The connection before the current one, still delivering.
pub(crate) struct Draining {
    pub(crate) connection: ActiveConnection,
    /// Bounds the latency of a swap whose old connection fell silent; nothing else rests on it.
    pub(crate) until: Instant,
}

impl Draining {
    /// When it is given up: at its end, or before, if it was asked and did not answer.
    pub(crate) fn deadline(&self) -> Instant {
        let asked = self.connection.liveness.asked_deadline();
        asked.map_or(self.until, |asked| asked.min(self.until))
    }
}

/// What a connection is to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionRole {
    Candidate,
    Current,
    Draining,
}

impl Connections {
    pub(crate) fn next_epoch(&mut self) -> Epoch {
        self.last_epoch += 1;
        Epoch(self.last_epoch)
    }

    /// `None`: the epoch is over.
    pub(crate) fn role(&self, epoch: Epoch) -> Option<ConnectionRole> {
        if self.current.as_ref().is_some_and(|current| current.epoch == epoch) {
            Some(ConnectionRole::Current)
        } else if self.candidate.as_ref().is_some_and(|c| c.epoch == epoch) {
            Some(ConnectionRole::Candidate)
        } else if self.draining.as_ref().is_some_and(|d| d.connection.epoch == epoch) {
            Some(ConnectionRole::Draining)
        } else {
            None
        }
    }

    pub(crate) fn current(&self) -> Option<&ActiveConnection> {
        self.current.as_deref()
    }

    /// The same, if the peer is still heard on it. (One that it has left waits for the candidate that is to take its place.)
    pub(crate) fn heard(&self) -> Option<&ActiveConnection> {
        self.current().filter(|current| !current.abandoned)
    }

    /// As [`heard`](Self::heard).
    pub(crate) fn heard_mut(&mut self) -> Option<&mut ActiveConnection> {
        self.current.as_deref_mut().filter(|current| !current.abandoned)
    }

    /// Whether a current connection stayed up long enough for the backoff to start afresh.
    pub(crate) fn is_stable(&self) -> bool {
        self.current().is_some_and(ActiveConnection::is_stable)
    }

    /// The current connection retires in favour of `next`: with a planned swap it goes on delivering until then.
    pub(crate) fn replace_current(&mut self, mut next: ActiveConnection, drain_until: Instant) {
        let planned = next.swap.planned;
        // What was to be said since the old one was left.
        let unsaid = self.current.as_mut().filter(|old| old.abandoned);
        next.go_away = unsaid.and_then(|old| old.go_away.take());
        let old = self.current.replace(Box::new(next));
        self.draining = old.filter(|_| planned).map(|connection| {
            Box::new(Draining {
                connection: *connection,
                until: drain_until,
            })
        });
    }

    /// Whether a planned swap may begin: the one before it is settled and nothing is being replayed.
    pub(crate) fn may_swap(&self, expected: u64, acked: u64, next: u64) -> bool {
        let settled = |current: &ActiveConnection| current.swap.settled(expected, acked) && current.cursor == next;
        self.draining.is_none() && self.heard().is_some_and(settled)
    }

    /// The client has left those that carry the session, and is about to go on with another one. If something still comes there, it may be
    /// from a copy of the client, which does not say what this one says.
    pub(crate) fn abandon(&mut self) {
        self.draining = None;
        if let Some(current) = &mut self.current {
            current.abandoned = true;
            // What it still had to say goes with it.
            current.go_away = None;
        }
    }

    /// Closes the old connection of a swap once both sides have all that it carried.
    pub(crate) fn finish_swap(&mut self, expected: u64, acked: u64) {
        if self.draining.is_some()
            && self
                .current()
                .is_none_or(|current| current.swap.is_over(expected, acked))
        {
            self.draining = None;
        }
    }

    /// The old connection of a swap ended early: say from where on it is missed, if it is.
    pub(crate) fn lost_draining(&mut self, expected: u64) {
        self.draining = None;
        if let Some(current) = &mut self.current {
            current.resync_if_missing(expected);
        }
    }

    /// The handshake of the connection `epoch` is over; if it carries the session now, its round trip is known.
    pub(crate) fn learn_rtt(&mut self, epoch: Epoch, timing: Timing) {
        let current = self.current.as_mut().filter(|current| current.epoch == epoch);
        if let Some((current, rtt)) = current.zip(timing.rtt()) {
            current.rtt.sample(rtt);
        }
    }

    /// The last packet on a connection whose session is about to end.
    pub(crate) fn set_parting(&mut self, epoch: Epoch, keys: Keys, frames: Vec<Frame>, after: Mark) {
        self.parting = Some(Box::new(Parting {
            epoch,
            keys,
            frames,
            after,
        }));
    }

    pub(crate) fn take_parting(&mut self, epoch: Epoch) -> Option<Box<Parting>> {
        self.parting.take_if(|parting| parting.epoch == epoch)
    }

    /// The last packet on that connection, which waits for something to be kept.
    pub(crate) fn parting_waits_for(&self, epoch: Epoch) -> Option<Mark> {
        let parting = self.parting.as_ref().filter(|parting| parting.epoch == epoch);
        parting.map(|parting| parting.after)
    }

    /// Nothing more is said.
    pub(crate) fn forget_parting(&mut self) {
        self.parting = None;
    }

    /// Whether a last packet waits on any connection.
    pub(crate) fn is_parting(&self) -> bool {
        self.parting.is_some()
    }

    /// The session is over; only the last packet remains.
    pub(crate) fn close_all(&mut self) {
        self.candidate = None;
        self.current = None;
        self.draining = None;
    }
}
