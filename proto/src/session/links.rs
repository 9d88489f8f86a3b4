//! Which connections there are. At most one candidate, one current and one draining, and the last
//! words on one whose session is over.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::connection::{Candidate, Live, Parting};
use crate::id::Epoch;
use crate::security::Keys;
use crate::time::Instant;
use crate::wire::frame::Frame;

#[derive(Default)]
pub(super) struct Links {
    last_epoch: u64,
    pub(super) candidate: Option<Candidate>,
    pub(super) current: Option<Box<Live>>,
    pub(super) draining: Option<Draining>,
    pub(super) parting: Option<Box<Parting>>,
}

/// The connection before the current one, still delivering.
pub(super) struct Draining {
    pub(super) live: Box<Live>,
    /// Bounds the latency of a swap whose old connection fell silent; nothing else rests on it.
    pub(super) until: Instant,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Candidate,
    Current,
    Draining,
}

impl Links {
    pub(super) fn next_epoch(&mut self) -> Epoch {
        self.last_epoch += 1;
        Epoch(self.last_epoch)
    }

    pub(super) fn slot(&self, epoch: Epoch) -> Option<Slot> {
        if self.current.as_ref().is_some_and(|live| live.epoch == epoch) {
            Some(Slot::Current)
        } else if self.candidate.as_ref().is_some_and(|c| c.epoch == epoch) {
            Some(Slot::Candidate)
        } else if self.draining.as_ref().is_some_and(|d| d.live.epoch == epoch) {
            Some(Slot::Draining)
        } else {
            None
        }
    }

    /// Whether the connection is of any further use.
    pub(super) fn carries(&self, epoch: Epoch) -> bool {
        self.slot(epoch).is_some()
    }

    pub(super) fn current(&self) -> Option<&Live> {
        self.current.as_deref()
    }

    /// Takes a live connection out while its packet is worked on.
    pub(super) fn take(&mut self, slot: Slot) -> Option<Taken> {
        match slot {
            Slot::Current => self.current.take().map(|live| Taken { live, until: None }),
            Slot::Draining => self.draining.take().map(|d| Taken {
                live: d.live,
                until: Some(d.until),
            }),
            Slot::Candidate => None,
        }
    }

    /// Last words on a connection whose session is about to end.
    pub(super) fn set_parting(&mut self, epoch: Epoch, keys: Keys, frames: Vec<Frame>) {
        self.parting = Some(Box::new(Parting { epoch, keys, frames }));
    }

    pub(super) fn take_parting(&mut self, epoch: Epoch) -> Option<Box<Parting>> {
        self.parting.take_if(|parting| parting.epoch == epoch)
    }

    /// The session is over; only last words remain.
    pub(super) fn close_all(&mut self) {
        self.candidate = None;
        self.current = None;
        self.draining = None;
    }

    pub(super) fn put_back(&mut self, taken: Taken) {
        match taken.until {
            None => self.current = Some(taken.live),
            Some(until) => {
                self.draining = Some(Draining {
                    live: taken.live,
                    until,
                })
            }
        }
    }
}

/// A live connection whose packet is being worked on.
pub(super) struct Taken {
    pub(super) live: Box<Live>,
    until: Option<Instant>,
}

impl Taken {
    pub(super) fn is_current(&self) -> bool {
        self.until.is_none()
    }
}
