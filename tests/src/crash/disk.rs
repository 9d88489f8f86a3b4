//! What is kept of one end: whole records, and the one that is being written.

use bytes::Bytes;
use unbroken_proto::Session;
use unbroken_proto::durable::Record;

use crate::tally::hash_bytes;

/// Where a session stands, or would if it were restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The next position of the peer's.
    pub(super) expected: u64,
    /// The next of its own.
    pub(super) next: u64,
    acked: u64,
    counter: u64,
    streams: String,
}

impl Standing {
    pub(super) fn of(session: &Session) -> Standing {
        let seen = session.inspect();
        Standing {
            expected: seen.expected,
            next: seen.next,
            acked: seen.acked,
            counter: seen.counter,
            streams: format!("{:?}", session.streams()),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Disk {
    records: Vec<Record>,
    writing: Option<Record>,
    /// What would be restored from whole records.
    pub(super) kept: Option<Standing>,
    /// And with the one that is being written.
    pub(super) written: Option<Standing>,
    /// Tells apart what would be restored, in these two cases.
    pub(super) keys: [u64; 2],
    /// Its session is over, and nothing is kept of it any more.
    pub(super) is_removed: bool,
}

impl Disk {
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    pub(super) fn begin(&mut self, record: Record) {
        self.writing = Some(record);
    }

    /// The record under way is whole. Its number.
    pub(super) fn finish(&mut self) -> Option<u64> {
        let record = self.writing.take()?;
        let number = record.number;
        if record.is_snapshot {
            self.records.clear();
        }
        self.records.push(record);
        self.kept = self.written.take();
        self.keys[0] = std::mem::take(&mut self.keys[1]);
        Some(number)
    }

    /// What was being written is lost with its process.
    pub(super) fn lose(&mut self) {
        self.writing = None;
        self.written = None;
        self.keys[1] = 0;
    }

    pub(super) fn remove(&mut self) {
        *self = Disk {
            is_removed: true,
            ..Disk::default()
        };
    }

    /// What a process that begins now finds; `with_written`: as if the record under way were whole.
    pub(super) fn pieces(&self, with_written: bool) -> Vec<Bytes> {
        let snapshot = self.writing.as_ref().filter(|record| with_written && record.is_snapshot);
        let before = if snapshot.is_some() { &[] } else { &self.records[..] };
        let behind = self.writing.iter().filter(|_| with_written);
        before.iter().chain(behind).map(|record| record.bytes.clone()).collect()
    }

    /// What would be restored with the record under way.
    pub(super) fn on_written(&mut self, restored: &Session) {
        let standing = Standing::of(restored);
        let more = format!(
            "{standing:?} {} {} {}",
            restored.inspect_links(),
            restored.inspect().state_hash,
            restored.stats().attaches
        );
        self.keys[1] = hash_bytes(more.as_bytes());
        self.written = Some(standing);
    }
}
