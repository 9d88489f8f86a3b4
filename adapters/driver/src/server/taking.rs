//! Sessions that are being taken over from the store.

use unbroken_proto::SessionId;

use super::handle::ServerHandle;

/// A session that is being taken over, once at a time: each that opens a journal takes it from the one before.
pub(super) struct Taking<'a> {
    server: &'a ServerHandle,
    session: SessionId,
}

impl<'a> Taking<'a> {
    /// `None`: it is held here, or about to be.
    pub(super) fn new(server: &'a ServerHandle, session: SessionId) -> Option<Taking<'a>> {
        let is_first = server.with(|state, _, _| !state.owners.contains_key(&session) && state.taking.insert(session));
        is_first.then_some(Taking { server, session })
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.server.with(|state, _, _| state.taking.remove(&self.session));
    }
}
