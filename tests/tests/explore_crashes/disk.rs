//! What is kept of one end: whole records, and the one that is being written.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use unbroken_proto::config::{ClientConfig, Seed, ServerConfig};
use unbroken_proto::durable::Record;
use unbroken_proto::server::Registry;
use unbroken_proto::{Instant, Session};
use unbroken_tests::pair::Setup;
use unbroken_tests::rng::mix;
use unbroken_tests::tally::hash_bytes;

/// Where a session stands, or would if it were restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The next position of the peer's.
    pub(crate) expected: u64,
    /// The next of its own.
    pub(crate) next: u64,
    acked: u64,
    counter: u64,
    streams: String,
}

impl Standing {
    pub(crate) fn of(session: &Session) -> Standing {
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
pub(crate) struct Disk {
    records: Vec<Record>,
    writing: Option<Record>,
    /// What would be restored from whole records.
    pub(crate) kept: Option<Standing>,
    /// And with the one that is being written.
    pub(crate) written: Option<Standing>,
    /// Tells apart what would be restored, in these two cases.
    pub(crate) keys: [u64; 2],
    /// Its session is over, and nothing is kept of it any more.
    pub(crate) is_removed: bool,
}

impl Disk {
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    pub(crate) fn begin(&mut self, record: Record) {
        self.writing = Some(record);
    }

    /// The record under way is whole. Its number.
    pub(crate) fn finish(&mut self) -> Option<u64> {
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
    pub(crate) fn lose(&mut self) {
        self.writing = None;
        self.written = None;
        self.keys[1] = 0;
    }

    pub(crate) fn remove(&mut self) {
        *self = Disk {
            is_removed: true,
            ..Disk::default()
        };
    }

    /// What a process that begins now finds; `with_written`: as if the record under way were whole.
    pub(crate) fn pieces(&self, with_written: bool) -> Vec<Bytes> {
        let snapshot = self
            .writing
            .as_ref()
            .filter(|record| with_written && record.is_snapshot);
        let before = if snapshot.is_some() { &[] } else { &self.records[..] };
        let behind = self.writing.iter().filter(|_| with_written);
        before.iter().chain(behind).map(|record| record.bytes.clone()).collect()
    }

    /// What would be restored with the record under way.
    pub(crate) fn on_written(&mut self, (standing, key): (Standing, u64)) {
        self.keys[1] = key;
        self.written = Some(standing);
    }
}

/// What journals come to when they are restored, remembered, since the same acts give the same bytes.
pub(crate) struct Restorer {
    client: ClientConfig,
    server: ServerConfig,
    known: RefCell<BTreeMap<u64, (Standing, u64)>>,
}

impl Restorer {
    pub(crate) fn new(setup: &Setup) -> Restorer {
        Restorer {
            client: setup.client_config(),
            server: setup.server_config(),
            known: RefCell::default(),
        }
    }

    /// Where a session would stand that was restored from `journal` now, and what tells that from others.
    ///
    /// # Panics
    /// When it is not restored.
    pub(crate) fn standing(&self, client: bool, journal: &[Bytes], now: Instant) -> (Standing, u64) {
        let name = journal
            .iter()
            .fold(u64::from(client), |name, piece| mix(name ^ hash_bytes(piece)));
        if let Some(known) = self.known.borrow().get(&name) {
            return known.clone();
        }
        let seed = Seed([0x77; 32]);
        let restored = if client {
            Session::restore(self.client.clone(), journal, None, seed, now)
        } else {
            let registry = Registry::new(self.server.clone(), seed, now);
            let mut registry = registry.expect("because the setup is in range");
            registry.restore(now, journal, None).map(|(session, _)| session)
        };
        let restored = restored.unwrap_or_else(|error| panic!("client {client}: not restored: {error:?}"));
        let standing = Standing::of(&restored);
        let (links, inside) = (restored.inspect_links(), restored.inspect().state_hash);
        let key = hash_bytes(format!("{standing:?} {links} {inside} {}", restored.stats().attaches).as_bytes());
        self.known.borrow_mut().insert(name, (standing.clone(), key));
        (standing, key)
    }
}
