//! What a registry wants of sessions that it does not own.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

use crate::id::SessionId;
use crate::time::Duration;

/// What a session's owner is to do, with [`Session::handle_command`](crate::Session::handle_command).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCommand {
    /// Close it gracefully.
    Close {
        /// The code its client is told.
        code: u64,
        /// The words that go with it, cut to 1,024 bytes.
        reason: Bytes,
    },
    /// End it now.
    Abort,
    /// Ask its client to leave its connection: GOAWAY. Nothing happens to a session without one.
    Leave {
        /// Before this much time is over.
        within: Duration,
        /// Where to go instead, in the hosts' own format; empty: the same place.
        alternate: Bytes,
    },
    /// From now on it may be detached for this long.
    Lifetime(Duration),
    /// End it now: another session took its name.
    Replace,
    /// End it if it is still detached: the memory for detached sessions is spent.
    Evict,
}

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
