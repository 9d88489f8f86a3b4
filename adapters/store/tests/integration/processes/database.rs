//! What an application has received, in a database of its own: what it made of it and the place up to where that is, in one transaction.

use std::path::Path;

use rusqlite::Connection;
use unbroken_tokio::proto::event::Place;

use super::application::{BYTES, MESSAGES, byte_at};

pub(crate) struct Database(Connection);

/// How far one stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) place: Place,
    /// Messages, or bytes.
    pub(crate) count: u64,
}

impl Database {
    pub(crate) fn create(folder: &Path) -> Database {
        std::fs::create_dir_all(folder).unwrap();
        let database = Database::open(folder);
        database
            .0
            .execute_batch(
                "create table if not exists marks (kind text primary key, messages int, bytes int, count int);
                 create table if not exists wrong (what text);",
            )
            .unwrap();
        database
    }

    pub(crate) fn open(folder: &Path) -> Database {
        let connection = Connection::open(folder.join("application.sqlite")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        // What a process wrote outlives it without a sync.
        connection
            .execute_batch("pragma journal_mode = wal; pragma synchronous = off;")
            .unwrap();
        Database(connection)
    }

    pub(crate) fn mark(&self, kind: &str) -> Mark {
        let found = self.0.query_row(
            "select messages, bytes, count from marks where kind = ?1",
            [kind],
            |row| {
                let number = |index| row.get(index).map(i64::cast_unsigned);
                let place = Place {
                    messages: number(0)?,
                    bytes: number(1)?,
                };
                Ok(Mark {
                    place,
                    count: number(2)?,
                })
            },
        );
        found.unwrap_or_default()
    }

    /// The next message, which has to be the one of that number. `false`: another process has come before, with that one or more.
    pub(crate) fn take_message(&self, mark: Mark, number: u64) -> bool {
        let is_ours = self.put("messages", mark, 1);
        if is_ours && number != mark.count - 1 {
            self.is_wrong(&format!("message {number} in the place of {}", mark.count - 1));
        }
        is_ours
    }

    /// The next bytes, which have to be those of their places. `false`: as of a message.
    pub(crate) fn take_bytes(&self, mark: Mark, bytes: &[u8]) -> bool {
        let first = mark.count - bytes.len() as u64;
        let is_ours = self.put("bytes", mark, bytes.len() as u64);
        let expected = (first..mark.count).map(byte_at);
        if is_ours && !bytes.iter().copied().eq(expected) {
            self.is_wrong(&format!("bytes from {first} on"));
        }
        is_ours
    }

    /// Behind what stands there, or not at all: where a session changes hands, the process that had it may still be writing.
    fn put(&self, kind: &str, mark: Mark, added: u64) -> bool {
        let before = (mark.count - added).cast_signed();
        let changed = self.0.execute(
            "insert into marks select ?1, ?2, ?3, ?4 where ?5 = (select ifnull(max(count), 0) from marks where kind = ?1)
             on conflict (kind) do update set messages = ?2, bytes = ?3, count = ?4",
            (
                kind,
                mark.place.messages.cast_signed(),
                mark.place.bytes.cast_signed(),
                mark.count.cast_signed(),
                before,
            ),
        );
        changed.unwrap() == 1
    }

    pub(crate) fn is_wrong(&self, what: &str) {
        eprintln!("wrong: {what}");
        self.0.execute("insert into wrong values (?1)", [what]).unwrap();
    }

    pub(crate) fn progress(&self) -> u64 {
        self.mark("messages").count + self.mark("bytes").count
    }

    pub(crate) fn check(&self) {
        let wrong: i64 = self
            .0
            .query_row("select count(*) from wrong", [], |row| row.get(0))
            .unwrap();
        assert_eq!(wrong, 0);
        assert_eq!(
            (self.mark("messages").count, self.mark("bytes").count),
            (MESSAGES, BYTES)
        );
    }
}
