//! What all connections of a listening service share, behind the hub's lock.

use std::collections::{BTreeMap, HashMap};
use std::task::Waker;

use futures_channel::{mpsc, oneshot};
use unbroken_proto::SessionId;
use unbroken_proto::server::{ConnectionId, Incoming, Registry, Rejection};

use crate::clock::Timer;
use crate::driver::Routed;
use crate::lock::wake;

/// The registry, who owns which session, and the connections that are nobody's yet.
pub(crate) struct Reception {
    pub(crate) clock: Box<dyn Timer>,
    pub(crate) registry: Registry,
    pub(crate) owners: HashMap<SessionId, mpsc::Sender<Routed>>,
    /// Unproven connections; dropping what stands here lets go of one.
    pub(crate) silent: BTreeMap<ConnectionId, oneshot::Sender<()>>,
    pub(crate) handshakes: BTreeMap<ConnectionId, oneshot::Sender<()>>,
    pub(crate) max_handshakes: usize,
    /// The housekeeper.
    pub(crate) waker: Option<Waker>,
    pub(crate) over: bool,
}

impl Reception {
    pub(crate) fn orphan(&mut self, incoming: Incoming) -> Rejection {
        let now = self.clock.now();
        self.registry.orphan(now, incoming)
    }

    /// Lets go of unproven connections the registry wants no more. Silent ones go in the order they
    /// came in; handshakes in the order they began, and by their own deadlines.
    pub(crate) fn evict(&mut self) {
        let registry = &self.registry;
        while self
            .silent
            .first_key_value()
            .is_some_and(|(id, _)| !registry.is_wanted(*id))
        {
            self.silent.pop_first();
        }
        if self.handshakes.len() > self.max_handshakes {
            self.handshakes.retain(|id, _| registry.is_wanted(*id));
        }
    }

    /// The registry's deadline may have changed.
    pub(crate) fn changed(&mut self) {
        self.evict();
        wake(self.waker.take());
    }
}
