//! How long a session stands in the tables.

use std::sync::Arc;

use unbroken_proto::SessionId;

use super::handle::ServerHandle;

impl ServerHandle {
    pub(super) fn listed(self: &Arc<Self>, id: SessionId) -> Listed {
        Listed {
            server: Arc::clone(self),
            id,
        }
    }
}

/// A session's place in the table of owners.
pub(super) struct Listed {
    server: Arc<ServerHandle>,
    id: SessionId,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let unaccepted = self.server.with(|state, now, wakes| {
            state.owners.remove(&self.id);
            // Harmless after a last report, and the only report about a driver that panicked.
            state.registry.lost(now, self.id);
            state.on_change(wakes);
            wakes.push(state.giver.take());
            state.backlog.remove(self.id)
        });
        drop(unaccepted);
    }
}
