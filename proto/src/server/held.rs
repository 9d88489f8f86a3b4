//! The sessions a registry knows of.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::id::SessionId;
use crate::security::PublicKey;
use crate::server::SessionInfo;
use crate::time::Instant;

/// By id. Clients can bias ids by trying, so this is a map whose order they cannot spoil.
#[derive(Default)]
pub(crate) struct Held {
    entries: BTreeMap<SessionId, Entry>,
}

/// What is known of one session.
pub(crate) struct Entry {
    pub(crate) client_key: PublicKey,
    name: Box<str>,
    since: Instant,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Provisional,
    Attached,
    Detached,
}

impl Entry {
    pub(crate) fn provisional(now: Instant, client_key: PublicKey, name: String) -> Entry {
        Entry {
            client_key,
            name: name.into_boxed_str(),
            since: now,
            phase: Phase::Provisional,
        }
    }
}

impl Held {
    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(crate) fn insert(&mut self, id: SessionId, entry: Entry) {
        self.entries.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Entry> {
        self.entries.remove(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The session is in `phase` now. Saying it twice changes nothing.
    pub(crate) fn shift(&mut self, now: Instant, id: SessionId, phase: Phase) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.phase != phase
        {
            entry.phase = phase;
            entry.since = now;
        }
    }

    /// The established ones, in the order of their ids.
    pub(crate) fn list(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.phase != Phase::Provisional)
            .map(|(id, entry)| SessionInfo {
                id: *id,
                name: String::from(&*entry.name),
                client_key: entry.client_key,
                attached: entry.phase == Phase::Attached,
                since: entry.since,
            })
    }
}
