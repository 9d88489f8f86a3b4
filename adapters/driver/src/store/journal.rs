//! The words of a store: what is kept, under which name, and by whom it is written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

/// The longest name of a journal, in bytes.
const LONGEST_ID: usize = 64;

/// Names a journal in its store: 1 to 64 of the characters `A` to `Z`, `a` to `z`, `0` to `9`, `-` and `_`, which any store
/// can use in names of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalId(Box<str>);

/// A name that a journal cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a journal has 1 to 64 letters, digits, hyphens and underscores")]
pub struct InvalidJournalId;

impl JournalId {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JournalId {
    type Err = InvalidJournalId;

    fn from_str(name: &str) -> Result<JournalId, InvalidJournalId> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > LONGEST_ID || !name.bytes().all(is_allowed) {
            return Err(InvalidJournalId);
        }
        Ok(JournalId(name.into()))
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The right to write a journal: of two owners, the later one has the larger number, and the earlier one has lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// The state of a session up to a record, in the place of all records before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of the last record that it stands for; 0: there was none.
    pub through: u64,
    /// What is to be kept.
    pub bytes: Bytes,
    /// When the journal may be deleted, from now on: the session is over, and this is what is left of it. `None`: never.
    pub keep_for: Option<Duration>,
}

/// What is kept of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptJournal {
    /// The newest snapshot, and the number of the last record that it stands for; `None`: there never was one.
    pub snapshot: Option<(u64, Bytes)>,
    /// The records behind it, in order, without a gap.
    pub records: Vec<Bytes>,
    /// How long ago it was last written, by the clock of the machine, if that can be known.
    pub written_ago: Option<Duration>,
}

impl KeptJournal {
    /// All of it, in order.
    #[must_use]
    pub fn pieces(&self) -> Vec<Bytes> {
        let snapshot = self.snapshot.iter().map(|(_, bytes)| bytes);
        snapshot.chain(&self.records).cloned().collect()
    }
}

/// A journal that has a new owner.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Under which the owner writes.
    pub fence: Fence,
    /// What is kept.
    pub journal: KeptJournal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for name in ["a", "0aF-_", &"x".repeat(64)] {
            assert_eq!(name.parse::<JournalId>().map(|id| id.to_string()), Ok(name.to_owned()));
        }
        for name in ["", "a b", "a/b", "..", "ä", "a.b", &"x".repeat(65)] {
            assert_eq!(name.parse::<JournalId>(), Err(InvalidJournalId), "{name:?}");
        }
    }
}
