//! Sessions by a word: a name, a label, an identity.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use crate::id::SessionId;

/// A word, shared by the index and the session's entry.
pub(crate) type Word = Arc<[u8]>;

/// Which sessions stand under which word.
#[derive(Default)]
pub(crate) struct Index {
    places: BTreeSet<(Word, SessionId)>,
}

impl Index {
    pub(crate) fn insert(&mut self, word: &Word, id: SessionId) {
        self.places.insert((Word::clone(word), id));
    }

    pub(crate) fn remove(&mut self, word: &Word, id: SessionId) {
        self.places.remove(&(Word::clone(word), id));
    }

    /// Those under `word`, in the order of their ids.
    pub(crate) fn under(&self, word: &[u8]) -> impl Iterator<Item = SessionId> + '_ {
        let word = Word::from(word);
        let ends = (
            (Word::clone(&word), SessionId([0; 16])),
            (word, SessionId([u8::MAX; 16])),
        );
        self.places.range(ends.0..=ends.1).map(|(_, id)| *id)
    }
}
