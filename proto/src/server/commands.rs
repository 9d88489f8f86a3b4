//! What a registry wants of sessions that it does not own, until the host passes it on.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use crate::accept::SessionCommand;
use crate::id::SessionId;

/// Commands not handed out yet. Bounded by the sessions held: one of each kind for each, the newest.
#[derive(Default)]
pub(crate) struct Commands {
    waiting: BTreeMap<SessionId, Vec<SessionCommand>>,
}

impl Commands {
    pub(crate) fn put(&mut self, id: SessionId, command: SessionCommand) {
        let waiting = self.waiting.entry(id).or_default();
        let same = |other: &&mut SessionCommand| mem::discriminant(*other) == mem::discriminant(&command);
        match waiting.iter_mut().find(same) {
            Some(older) => *older = command,
            None => waiting.push(command),
        }
    }

    /// The session is over.
    pub(crate) fn forget(&mut self, id: SessionId) {
        self.waiting.remove(&id);
    }

    pub(crate) fn poll(&mut self) -> Option<(SessionId, SessionCommand)> {
        let mut first = self.waiting.first_entry()?;
        let id = *first.key();
        let command = (!first.get().is_empty()).then(|| first.get_mut().remove(0));
        if first.get().is_empty() {
            first.remove();
        }
        command.map(|command| (id, command))
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
