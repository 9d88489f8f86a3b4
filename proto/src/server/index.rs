//! Finds sessions by a key: a name, a label, an identity.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use crate::id::SessionId;

/// A key, shared by the index and the session's entry.
pub(crate) type Key = Arc<[u8]>;

/// Which sessions have which key.
#[derive(Default)]
pub(crate) struct Index {
    places: BTreeSet<(Key, SessionId)>,
}

impl Index {
    pub(crate) fn insert(&mut self, key: &Key, id: SessionId) {
        self.places.insert((Key::clone(key), id));
    }

    pub(crate) fn remove(&mut self, key: &Key, id: SessionId) {
        self.places.remove(&(Key::clone(key), id));
    }

    /// The sessions that have `key`, in the order of their ids.
    pub(crate) fn under(&self, key: &[u8]) -> impl Iterator<Item = SessionId> + '_ {
        let key = Key::from(key);
        let ends = ((Key::clone(&key), SessionId([0; 16])), (key, SessionId([u8::MAX; 16])));
        self.places.range(ends.0..=ends.1).map(|(_, id)| *id)
    }
}
