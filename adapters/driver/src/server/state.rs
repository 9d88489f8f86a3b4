//! What the registry decided, carried out.

use std::task::Waker;

use unbroken_proto::server::{Incoming, Rejection};

use super::Desk;
use crate::errand::Errand;
use crate::lock::wake;

impl Desk {
    /// Lets go of unproven connections that the registry waits for no more.
    pub(super) fn evict(&mut self) {
        while let Some(connection) = self.registry.poll_unwanted() {
            self.unproven.remove(&connection);
        }
    }

    /// What the registry wants of sessions goes to their owners; what is over to who collects it.
    pub(super) fn pass_on(&mut self) {
        while let Some((session, command)) = self.registry.poll_command() {
            if let Some(owner) = self.owners.get(&session) {
                owner.mailbox.put(Errand::SessionCommand(command));
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
        // Also when there is no drain any more: that is what they wait for.
        self.drainers.take().for_each(Waker::wake);
    }

    pub(super) fn orphan(&mut self, incoming: Incoming) -> Rejection {
        let now = self.clock.now();
        self.registry.orphan(now, incoming)
    }
}
