//! What the embedded store keeps from one process to the next, and who may have it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_executor::block_on;
use unbroken_store::{Embedded, OpenError, Snapshot, Store, StoreError};

use crate::embedded::{id, open};
use crate::folder::Folder;
use crate::suite::{numbered, snapshot};

#[test]
fn all_is_kept_and_fences_go_on() {
    let folder = Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    let (fence, _) = open(&store, "a");
    block_on(store.append(&id("a"), fence, 1, &numbered(1..=5))).unwrap();
    block_on(store.replace(&id("a"), fence, &snapshot(3))).unwrap();
    let (gone, _) = open(&store, "gone");
    block_on(store.append(&id("gone"), gone, 1, &numbered(1..=5))).unwrap();
    block_on(store.remove(&id("gone"), gone)).unwrap();
    open(&store, "empty");
    drop(store);

    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(block_on(store.list()).unwrap(), [id("a")]);
    // The owner of before is the owner until another one comes.
    block_on(store.append(&id("a"), fence, 6, &numbered([6]))).unwrap();
    let (next, journal) = open(&store, "a");
    assert!(next > gone.max(fence));
    assert_eq!(journal.snapshot, Some((3, snapshot(3).bytes)));
    assert_eq!(journal.records, numbered(4..=6));
    assert!(journal.written_ago.is_some_and(|ago| ago < Duration::from_secs(3600)));
    let late = block_on(store.append(&id("a"), fence, 7, &numbered([7])));
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
}

#[test]
fn what_expired_meanwhile_is_deleted() {
    let folder = Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    // More than are deleted at once.
    for number in 0..150 {
        let name = format!("j{number}");
        let (fence, _) = open(&store, &name);
        let keep_for = Duration::from_millis(if number % 2 == 0 { 1 } else { 3_600_000 });
        let tombstone = Snapshot {
            keep_for: Some(keep_for),
            ..snapshot(7)
        };
        block_on(store.replace(&id(&name), fence, &tombstone)).unwrap();
    }
    drop(store);
    thread::sleep(Duration::from_millis(10));
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(block_on(store.list()).unwrap().len(), 75);
    drop(store);
    let database = rusqlite::Connection::open(folder.database()).unwrap();
    for table in ["journals", "snapshots"] {
        let count: i64 = database
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 75, "{table}");
    }
}

#[test]
fn a_clock_that_went_back_does_not_know() {
    let folder = Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    let (fence, _) = open(&store, "a");
    block_on(store.append(&id("a"), fence, 1, &numbered([1]))).unwrap();
    drop(store);
    let database = rusqlite::Connection::open(folder.database()).unwrap();
    database
        .execute("UPDATE records SET written = written + 3600000", [])
        .unwrap();
    drop(database);
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(open(&store, "a").1.written_ago, None);
}

#[test]
fn a_store_that_is_open_is_not_opened_again() {
    let folder = Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    let second = Embedded::open(folder.path());
    assert!(
        matches!(&second, Err(OpenError::InUse { folder: named }) if named == folder.path()),
        "{second:?}"
    );
    // Nor by another process.
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["reopened::is_in_use", "--exact", "--nocapture"])
        .env("UNBROKEN_STORE_IN_USE", folder.path())
        .status()
        .unwrap();
    assert!(status.success());
    drop(store);
    Embedded::open(folder.path()).unwrap();
}

/// The other process of the test above; alone it does nothing.
#[test]
fn is_in_use() {
    let Some(folder) = std::env::var_os("UNBROKEN_STORE_IN_USE") else {
        return;
    };
    let second = Embedded::open(folder);
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path()).unwrap();
    let other = rusqlite::Connection::open(folder.database()).unwrap();
    other
        .execute_batch("CREATE TABLE journals (x); PRAGMA user_version = 9")
        .unwrap();
    drop(other);
    let before = std::fs::read(folder.database()).unwrap();
    let opened = Embedded::open(folder.path());
    assert!(
        matches!(opened, Err(OpenError::Unknown { version: 9, .. })),
        "{opened:?}"
    );
    assert!(before == std::fs::read(folder.database()).unwrap());
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let folder = Folder::new();
    std::fs::write(folder.path(), "a file").unwrap();
    let opened = Embedded::open(folder.path());
    assert!(matches!(opened, Err(OpenError::Io(_))), "{opened:?}");
    std::fs::remove_file(folder.path()).unwrap();
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let store = Embedded::open(folder.path()).unwrap();
    open(&store, "a");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The database and its log.
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

/// Calls from many threads, some of which drop their futures, do not keep the store from ending.
#[test]
fn it_ends_when_it_is_dropped() {
    for _ in 0..20 {
        let folder = Folder::new();
        let store = Arc::new(Embedded::open(folder.path()).unwrap());
        let threads: Vec<_> = (0..8)
            .map(|own| {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    let name = format!("j{own}");
                    let (fence, _) = open(&store, &name);
                    let id = id(&name);
                    block_on(store.append(&id, fence, 1, &numbered(1..=5))).unwrap();
                    let mut call = store.remove(&id, fence);
                    let _ = call
                        .as_mut()
                        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
                })
            })
            .collect();
        drop(store);
        for thread in threads {
            thread.join().unwrap();
        }
        // The last of them has ended it.
        Embedded::open(folder.path()).unwrap();
    }
}
