//! The sessions a registry knows of.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::event::EndReason;
use crate::id::SessionId;
use crate::security::{PublicKey, ResumeSecrets, ResumptionSecret};
use crate::server::index::{Index, Key};
use crate::server::info::{EndedSession, Select, SessionInfo, SessionStatus};
use crate::time::Instant;

/// What a detached session is charged beyond the bytes it holds.
pub(crate) const DETACHED_CHARGE: u64 = 2_048;

/// By id. Clients can bias ids by trying, so this is a map whose order they cannot spoil.
#[derive(Default)]
pub(crate) struct SessionTable {
    entries: BTreeMap<SessionId, Entry>,
    /// Names that are not empty.
    names: Index,
    labels: Index,
    identities: Index,
    /// By [`SessionStatus`].
    counts: [usize; SessionStatus::ALL],
    /// The detached ones that nobody ordered to go, longest first, and their charge.
    detached: BTreeSet<(Instant, SessionId)>,
    detached_bytes: u64,
    /// Over, and not handed out yet.
    ended: VecDeque<EndedSession>,
    ended_count: u64,
}

/// What is known of one session.
pub(crate) struct Entry {
    pub(crate) client_key: PublicKey,
    name: Key,
    identity: Key,
    labels: Vec<Key>,
    /// Under which a RESUME is taken.
    secrets: Arc<ResumeSecrets>,
    admitted: Instant,
    since: Instant,
    bytes: u64,
    pub(crate) status: SessionStatus,
    /// It was ordered to go if it is detached.
    evicted: bool,
}

impl Entry {
    pub(crate) fn provisional(
        now: Instant,
        client_key: PublicKey,
        name: &str,
        identity: Key,
        secrets: Arc<ResumeSecrets>,
    ) -> Entry {
        Entry {
            client_key,
            name: Key::from(name.as_bytes()),
            identity,
            labels: Vec::new(),
            secrets,
            admitted: now,
            since: now,
            bytes: 0,
            status: SessionStatus::Connecting,
            evicted: false,
        }
    }

    fn info(&self, id: SessionId) -> SessionInfo {
        SessionInfo {
            id,
            name: String::from_utf8_lossy(&self.name).into_owned(),
            client_key: self.client_key,
            identity: Bytes::copy_from_slice(&self.identity),
            labels: self.labels.iter().map(|label| Bytes::copy_from_slice(label)).collect(),
            status: self.status,
            since: self.since,
            admitted: self.admitted,
            held_bytes: self.bytes,
        }
    }

    fn is_counted(&self) -> bool {
        self.status == SessionStatus::Detached && !self.evicted
    }

    fn is_established(&self) -> bool {
        self.status != SessionStatus::Connecting
    }
}

impl SessionTable {
    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(crate) fn insert(&mut self, id: SessionId, entry: Entry) {
        self.identities.insert(&entry.identity, id);
        if !entry.name.is_empty() {
            self.names.insert(&entry.name, id);
        }
        self.count(id, &entry, true);
        self.entries.insert(id, entry);
    }

    /// The session is over: it leaves, once, for the queue of those to clean up after.
    pub(crate) fn remove(&mut self, now: Instant, id: SessionId, reason: Option<EndReason>) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.identities.remove(&entry.identity, id);
        self.names.remove(&entry.name, id);
        entry.labels.iter().for_each(|label| self.labels.remove(label, id));
        self.count(id, &entry, false);
        let info = entry.info(id);
        self.ended.push_back(EndedSession { info, reason, at: now });
        self.ended_count += 1;
        Some(entry)
    }

    pub(crate) fn poll_ended(&mut self) -> Option<EndedSession> {
        self.ended.pop_front()
    }

    /// Sessions that use room: those held, and those over that nobody cleaned up after.
    pub(crate) fn load(&self) -> usize {
        self.entries.len() + self.ended.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn ended(&self) -> (usize, u64) {
        (self.ended.len(), self.ended_count)
    }

    pub(crate) fn counts(&self, status: SessionStatus) -> usize {
        self.counts.get(status as usize).copied().unwrap_or(0)
    }

    pub(crate) fn attached(&self) -> usize {
        self.counts(SessionStatus::Connected) + self.counts(SessionStatus::Idle) + self.counts(SessionStatus::Suspect)
    }

    pub(crate) fn detached_bytes(&self) -> u64 {
        self.detached_bytes
    }

    /// Takes the session into account, or out of it.
    fn count(&mut self, id: SessionId, entry: &Entry, is_in: bool) {
        if let Some(count) = self.counts.get_mut(entry.status as usize) {
            *count = if is_in { *count + 1 } else { *count - 1 };
        }
        if !entry.is_counted() {
            return;
        }
        let charge = entry.bytes.saturating_add(DETACHED_CHARGE);
        if is_in {
            self.detached.insert((entry.since, id));
            self.detached_bytes = self.detached_bytes.saturating_add(charge);
        } else {
            self.detached.remove(&(entry.since, id));
            self.detached_bytes = self.detached_bytes.saturating_sub(charge);
        }
    }

    /// Changes an entry, and the account with it.
    fn change(&mut self, id: SessionId, change: impl FnOnce(&mut Entry)) {
        if let Some(mut entry) = self.entries.remove(&id) {
            self.count(id, &entry, false);
            change(&mut entry);
            self.count(id, &entry, true);
            self.entries.insert(id, entry);
        }
    }

    /// What its owner reports. Saying it twice changes nothing.
    pub(crate) fn shift(&mut self, now: Instant, id: SessionId, status: SessionStatus, bytes: u64) {
        self.change(id, |entry| {
            entry.bytes = bytes;
            entry.evicted &= status == SessionStatus::Detached;
            if entry.status != status {
                entry.status = status;
                entry.since = now;
            }
        });
    }

    /// The one that is detached for the longest time counts no more.
    pub(crate) fn evict(&mut self) -> Option<SessionId> {
        let (_, id) = *self.detached.first()?;
        self.change(id, |entry| entry.evicted = true);
        Some(id)
    }

    /// Writes `label` on it; `false`: it is not held, or has `most` already.
    pub(crate) fn label(&mut self, id: SessionId, label: &[u8], most: usize) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        if entry.labels.iter().any(|known| **known == *label) {
            return true;
        }
        let room = entry.labels.len() < most;
        if room {
            let key = Key::from(label);
            self.labels.insert(&key, id);
            entry.labels.push(key);
        }
        room
    }

    /// Takes it off again.
    pub(crate) fn unlabel(&mut self, id: SessionId, label: &[u8]) {
        if let Some(entry) = self.entries.get_mut(&id)
            && let Some(index) = entry.labels.iter().position(|known| **known == *label)
        {
            let key = entry.labels.swap_remove(index);
            self.labels.remove(&key, id);
        }
    }

    /// The secrets under which that session takes a RESUME; none if it is not held.
    pub(crate) fn resume_secrets(&self, id: SessionId) -> [Option<ResumptionSecret>; 2] {
        self.entries
            .get(&id)
            .map(|entry| entry.secrets.read())
            .unwrap_or_default()
    }

    pub(crate) fn status(&self, id: SessionId) -> Option<SessionStatus> {
        self.entries.get(&id).map(|entry| entry.status)
    }

    /// How many there are of an identity, counting no further than `most`.
    pub(crate) fn of_identity(&self, identity: &[u8], most: usize) -> usize {
        self.identities.under(identity).take(most).count()
    }

    /// The other sessions with the name and identity of this one.
    pub(crate) fn namesakes(&self, id: SessionId) -> Vec<SessionId> {
        let Some(entry) = self.entries.get(&id) else {
            return Vec::new();
        };
        let known = self.named(&entry.identity, &entry.name);
        known.map(|(other, _)| other).filter(|other| *other != id).collect()
    }

    /// The sessions of an identity that have this name, if it is one.
    pub(crate) fn named<'a>(
        &'a self,
        identity: &[u8],
        name: &'a [u8],
    ) -> impl Iterator<Item = (SessionId, SessionStatus)> + 'a {
        let of_identity = self.identities.under(identity).filter(|_| !name.is_empty());
        let with_entry = of_identity.filter_map(|id| self.entries.get(&id).map(|entry| (id, entry)));
        with_entry
            .filter(move |(_, entry)| *entry.name == *name)
            .map(|(id, entry)| (id, entry.status))
    }

    pub(crate) fn info(&self, id: SessionId) -> Option<SessionInfo> {
        self.entries.get(&id).map(|entry| entry.info(id))
    }

    /// The established ones, in the order of their ids.
    pub(crate) fn list(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        let established = self.entries.iter().filter(|(_, entry)| entry.is_established());
        established.map(|(id, entry)| entry.info(*id))
    }

    /// The ids meant, in their order.
    pub(crate) fn ids(&self, select: Select<'_>) -> Vec<SessionId> {
        let established = |id: &SessionId| self.entries.get(id).is_some_and(Entry::is_established);
        match select {
            Select::All => self.entries.keys().copied().filter(established).collect(),
            Select::Session(id) => self.entries.contains_key(&id).then_some(id).into_iter().collect(),
            Select::Name(name) => self.names.under(name.as_bytes()).filter(established).collect(),
            Select::Label(label) => self.labels.under(label).filter(established).collect(),
            Select::Identity(identity) => self.identities.under(identity).filter(established).collect(),
        }
    }
}
