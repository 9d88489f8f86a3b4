//! What the registry decided, carried out.

use unbroken_proto::server::{Incoming, Rejection};

use super::Desk;
use crate::lock::wake;

impl Desk {
    /// Lets go of unproven connections the registry wants no more. Silent ones go in the order they
    /// came in; handshakes in the order they began, and by their own deadlines.
    pub(super) fn evict(&mut self) {
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

    /// What the registry wants of sessions goes to their owners; what is over to who collects it.
    pub(super) fn pass_on(&mut self) {
        while let Some((session, order)) = self.registry.poll_order() {
            if let Some(owner) = self.owners.get(&session) {
                let _gone = owner.orders.unbounded_send(order);
            }
        }
        if self.collected {
            wake(self.collector.take());
        } else {
            while self.registry.poll_ended().is_some() {}
        }
    }

    /// The registry's deadline may have changed, and what it wants.
    pub(super) fn changed(&mut self) {
        self.evict();
        self.pass_on();
        wake(self.waker.take());
    }

    pub(super) fn orphan(&mut self, incoming: Incoming) -> Rejection {
        let now = self.clock.now();
        self.registry.orphan(now, incoming)
    }
}
