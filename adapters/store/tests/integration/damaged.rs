//! Files that are not what was written: an error at the opening or at the call that meets the damage, and never a panic.

use std::path::Path;

use bytes::Bytes;
use futures_executor::block_on;
use unbroken_store::{Embedded, JournalId, KeptJournal, OpenError, Store, StoreError};

use crate::embedded::{id, open};
use crate::folder::{Folder, Random};
use crate::suite::{numbered, snapshot};

const JOURNALS: u64 = 15;

/// Journals of all kinds; returns the files of the store: as they are while it is open, and once it is closed.
fn files(folder: &Folder) -> [Vec<(String, Vec<u8>)>; 2] {
    let store = Embedded::open(folder.path()).unwrap();
    for own in 0..JOURNALS {
        let name = format!("j{own}");
        let (fence, _) = open(&store, &name);
        block_on(store.append(&id(&name), fence, 1, &numbered(1..=own))).unwrap();
        let large = [large(own)];
        block_on(store.append(&id(&name), fence, own + 1, &large)).unwrap();
        if own % 3 == 0 {
            block_on(store.replace(&id(&name), fence, &snapshot(own / 2))).unwrap();
        }
    }
    let read = || {
        std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read(&path).unwrap())
            })
            .collect()
    };
    let live = read();
    drop(store);
    [live, read()]
}

fn large(own: u64) -> Bytes {
    vec![own as u8; 5000].into()
}

/// Whatever is given out is what was written: all of it, or its beginning.
fn expect(id: &JournalId, journal: &KeptJournal) {
    let own: u64 = id.as_str().trim_start_matches('j').parse().unwrap();
    let written = [numbered(1..=own), vec![large(own)]].concat();
    if let Some((through, bytes)) = &journal.snapshot {
        assert_eq!((*through, bytes), (own / 2, &snapshot(own / 2).bytes), "{id}");
    }
    let through = journal.snapshot.as_ref().map_or(0, |(through, _)| *through) as usize;
    let end = through + journal.records.len();
    assert!(written.get(through..end) == Some(&journal.records[..]), "{id}");
}

fn lay(folder: &Path, files: &[(String, Vec<u8>)]) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir(folder).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Opens everything and writes to it; every error must be one that says so. Returns whether all went well.
fn use_all(folder: &Path) -> bool {
    let store = match Embedded::open(folder) {
        Ok(store) => store,
        Err(OpenError::Damaged { .. } | OpenError::Failed(_) | OpenError::Unknown { .. }) => return false,
        Err(other) => panic!("{other:?}"),
    };
    let Ok(mut ids) = block_on(store.list()) else {
        return false;
    };
    ids.push(id("new"));
    let mut is_well = true;
    for id in ids {
        match block_on(store.open(&id)) {
            Ok(opened) => {
                if opened.journal != KeptJournal::default() {
                    expect(&id, &opened.journal);
                }
                let kept = opened.journal.snapshot.as_ref().map_or(0, |(through, _)| *through);
                let last = kept + opened.journal.records.len() as u64;
                is_well &= block_on(store.append(&id, opened.fence, last + 1, &numbered([last + 1]))).is_ok();
                is_well &= block_on(store.replace(&id, opened.fence, &snapshot(last + 1))).is_ok();
                is_well &= block_on(store.remove(&id, opened.fence)).is_ok();
            }
            Err(StoreError::Damaged { .. } | StoreError::Failed(_)) => is_well = false,
            Err(other) => panic!("{other:?}"),
        }
    }
    is_well
}

#[test]
fn bytes_that_changed() {
    let folder = Folder::new();
    let kinds = files(&folder);
    let mut random = Random::new();
    let mut noticed = 0;
    for round in 0..60 {
        let mut files = kinds[round % 2].clone();
        let which = random.below(files.len() as u64) as usize;
        let bytes = &mut files[which].1;
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => {
                let end = bytes.len().min(at + 600);
                bytes[at..end].fill(0);
            }
            _ => {
                let end = bytes.len().min(at + 4096);
                bytes[at..end].fill_with(|| random.below(256) as u8);
            }
        }
        lay(folder.path(), &files);
        noticed += u32::from(!use_all(folder.path()));
    }
    println!("noticed {noticed} of 60");
    assert!(noticed > 0);
}

#[test]
fn the_head_of_the_file() {
    let folder = Folder::new();
    let [_, closed] = files(&folder);
    assert_eq!(closed.len(), 1, "the log is gone once the store is closed");
    for (at, length) in [(0, 100), (16, 84), (20, 40), (100, 200)] {
        let mut files = closed.clone();
        files[0].1[at..at + length].fill(0xa5);
        lay(folder.path(), &files);
        let opened = Embedded::open(folder.path());
        assert!(
            matches!(
                opened,
                Err(OpenError::Damaged { .. } | OpenError::Failed(_) | OpenError::Unknown { .. })
            ),
            "{at}, {length}: {opened:?}"
        );
    }
    lay(folder.path(), &[(closed[0].0.clone(), vec![b'x'; 10_000])]);
    let opened = Embedded::open(folder.path());
    assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{opened:?}");
    let mut files = closed.clone();
    let half = files[0].1.len() / 2;
    files[0].1.truncate(half);
    lay(folder.path(), &files);
    let opened = Embedded::open(folder.path());
    assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{opened:?}");
}

/// Rows that fit into their tables and are not what the store wrote: the journal says so, and the others go on.
#[test]
fn rows_that_are_missing() {
    let folder = Folder::new();
    files(&folder);
    let database = rusqlite::Connection::open(folder.database()).unwrap();
    let key = |name: &str| -> i64 {
        database
            .query_row("SELECT key FROM journals WHERE id = ?1", [name], |row| row.get(0))
            .unwrap()
    };
    database
        .execute("DELETE FROM records WHERE journal = ?1 AND number = 5", [key("j8")])
        .unwrap();
    database
        .execute("DELETE FROM snapshots WHERE journal = ?1", [key("j9")])
        .unwrap();
    database
        .execute("UPDATE journals SET through = -4 WHERE key = ?1", [key("j12")])
        .unwrap();
    database
        .execute(
            "UPDATE records SET bytes = x'00' WHERE journal = ?1 AND number = 5",
            [key("j10")],
        )
        .unwrap();
    drop(database);
    let store = Embedded::open(folder.path()).unwrap();
    for own in 0..JOURNALS {
        let opened = block_on(store.open(&id(&format!("j{own}"))));
        let is_damaged = matches!(opened, Err(StoreError::Damaged { .. }));
        assert_eq!(is_damaged, [8, 9, 10, 12].contains(&own), "{own}: {opened:?}");
        assert_eq!(opened.is_ok(), !is_damaged, "{own}: {opened:?}");
    }
}
