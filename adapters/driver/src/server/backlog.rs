//! Established sessions that nobody has accepted.

use std::collections::{HashSet, VecDeque};
use std::task::{Context, Poll};

use unbroken_proto::SessionId;
use unbroken_proto::server::Request;

use crate::session::Session;
use crate::sync::{Waiters, WakeList};

/// Sessions that were admitted and not accepted, at most. Who comes then is told to come later.
const BACKLOG: usize = 128;

/// An established session on the accepting side.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// What its client asked for, proven.
    pub request: Request,
    /// It was begun in a process before this one, and restored.
    pub is_restored: bool,
}

impl Accepted {
    /// Whether the session is over and holds nothing to read, so that nobody can do anything with it.
    pub(super) fn is_exhausted(&self) -> bool {
        self.session.ended().is_some() && self.session.stats().unread_bytes == 0
    }
}

/// Sessions on their way to whoever accepts them. One that ends meanwhile waits no longer, unless there is something to
/// read in it.
#[derive(Default)]
pub(super) struct Backlog {
    /// Admitted, and neither accepted nor over.
    admitted: HashSet<SessionId>,
    /// Of these, the established ones.
    established: VecDeque<(SessionId, Accepted)>,
    pub(super) acceptors: Waiters,
}

impl Backlog {
    /// Whether there is no room for one more session.
    pub(super) fn is_full(&self) -> bool {
        self.admitted.len() >= BACKLOG
    }

    pub(super) fn admit(&mut self, id: SessionId) {
        self.admitted.insert(id);
    }

    pub(super) fn push(&mut self, id: SessionId, accepted: Accepted, wakes: &mut WakeList) {
        self.established.push_back((id, accepted));
        self.acceptors.wake_first(wakes);
    }

    /// The session is over. What is returned is to be dropped when the lock is released. A session with something to read
    /// waits on: its client was told that it is delivered.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Accepted> {
        let at = self.established.iter().position(|(waiting, _)| *waiting == id);
        let established = at.and_then(|at| self.established.get(at));
        if established.is_some_and(|(_, accepted)| !accepted.is_exhausted()) {
            return None;
        }
        self.admitted.remove(&id);
        self.established.remove(at?).map(|(_, accepted)| accepted)
    }

    pub(super) fn poll(&mut self, ticket: &mut Option<u64>, cx: &Context<'_>) -> Poll<Accepted> {
        match self.established.pop_front() {
            Some((id, accepted)) => {
                self.admitted.remove(&id);
                Poll::Ready(accepted)
            }
            None => {
                self.acceptors.wait(ticket, cx);
                Poll::Pending
            }
        }
    }

    /// Nobody accepts any more. What is returned is to be dropped when the lock is released.
    pub(super) fn clear(&mut self) -> VecDeque<(SessionId, Accepted)> {
        std::mem::take(&mut self.established)
    }
}
