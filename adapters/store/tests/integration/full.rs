//! A full disk: who needs room is told so, and nothing is half-written; all go on once there is room.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use futures_executor::block_on;
use futures_util::future::join_all;
use unbroken_store::{Embedded, EmbeddedOptions, Fence, Snapshot, Store, StoreError};

use crate::embedded::{id, open};
use crate::folder::Folder;
use crate::suite::{numbered, snapshot};

const PIECE: usize = 64 << 10;

fn piece(number: u64) -> Bytes {
    vec![number as u8; PIECE].into()
}

fn append(store: &Embedded, name: &str, fence: Fence, first: u64, records: &[Bytes]) -> Result<(), StoreError> {
    block_on(store.append(&id(name), fence, first, records))
}

/// Appends to that journal until there is no room; returns the number of the last record that found some.
fn fill(store: &Embedded, name: &str, fence: Fence) -> u64 {
    for number in 1..1000 {
        match append(store, name, fence, number, &[piece(number)]) {
            Ok(()) => {}
            Err(StoreError::Full(_)) => return number - 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("it is never full")
}

fn expect_pieces(store: &Embedded, name: &str, count: u64) -> Fence {
    let (fence, journal) = open(store, name);
    assert_eq!(journal.records.len() as u64, count);
    for (number, record) in (1..).zip(journal.records) {
        assert!(record == piece(number), "record {number} of {name}");
    }
    fence
}

#[test]
fn a_limit_of_its_own() {
    let folder = Folder::new();
    let mut options = EmbeddedOptions::default();
    options.max_bytes = Some(2 << 20);
    let store = Embedded::open_with(folder.path(), &options).unwrap();
    let (small, _) = open(&store, "small");
    let (large, _) = open(&store, "large");
    let kept = fill(&store, "large", large);
    assert!(kept > 20, "{kept}");
    // Said again, it is refused again; another journal has a little room.
    let again = append(&store, "large", large, kept + 1, &[piece(kept + 1)]);
    assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");
    append(&store, "small", small, 1, &numbered([1])).unwrap();
    let large = expect_pieces(&store, "large", kept);
    // A snapshot makes room.
    block_on(store.replace(&id("large"), large, &snapshot(kept))).unwrap();
    append(&store, "large", large, kept + 1, &[piece(kept + 1)]).unwrap();
    append(&store, "small", small, 2, &numbered([2])).unwrap();
    drop(store);
    let store = Embedded::open_with(folder.path(), &options).unwrap();
    assert_eq!(open(&store, "small").1.records, numbered(1..=2));
    let (_, journal) = open(&store, "large");
    assert_eq!(journal.snapshot, Some((kept, snapshot(kept).bytes)));
    assert!(journal.records == [piece(kept + 1)]);
}

/// Those that wait for the same commit do not fail for the sake of one that has no room.
#[test]
fn the_others_of_a_commit() {
    let folder = Folder::new();
    let mut options = EmbeddedOptions::default();
    options.max_bytes = Some(1 << 20);
    let store = Embedded::open_with(folder.path(), &options).unwrap();
    let names: Vec<_> = (0..20).map(|own| id(&format!("j{own}"))).collect();
    let fences: Vec<_> = names.iter().map(|name| open(&store, name.as_str()).0).collect();
    let contents: Vec<_> = (0..20)
        .map(|own| {
            [if own == 7 {
                vec![7; 2 << 20].into()
            } else {
                numbered([own]).remove(0)
            }]
        })
        .collect();
    let calls = (0..20).map(|own| store.append(&names[own], fences[own], 1, &contents[own]));
    let answers = block_on(join_all(calls));
    for (own, answer) in answers.iter().enumerate() {
        assert_eq!(
            matches!(answer, Err(StoreError::Full(_))),
            own == 7,
            "{own}: {answer:?}"
        );
        assert_eq!(answer.is_ok(), own != 7, "{own}: {answer:?}");
        let (_, journal) = open(&store, names[own].as_str());
        assert_eq!(journal.records.len(), usize::from(own != 7), "{own}");
    }
}

/// A file system of its own, with 16 MiB.
struct Disk(Folder);

impl Disk {
    /// `None`, and a word, if it cannot be had here.
    fn new() -> Option<Disk> {
        let folder = Folder::new();
        std::fs::create_dir(folder.path()).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(folder.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: a full disk: nothing can be mounted here");
            return None;
        }
        Some(Disk(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk() {
    let Some(disk) = Disk::new() else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let folder = disk.path().join("store");
    let store = Embedded::open(&folder).unwrap();
    let (small, _) = open(&store, "small");
    let (large, _) = open(&store, "large");
    append(&store, "small", small, 1, &numbered([1])).unwrap();
    let kept = fill(&store, "large", large);
    assert!(kept > 0);
    for _ in 0..3 {
        let again = append(&store, "large", large, kept + 1, &[piece(kept + 1), piece(kept + 2)]);
        assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");
    }
    // Reading needs no room.
    assert_eq!(block_on(store.list()).unwrap().len(), 2);
    std::fs::remove_file(&ballast).unwrap();
    append(&store, "small", small, 2, &numbered([2])).unwrap();
    append(&store, "large", large, kept + 1, &[piece(kept + 1)]).unwrap();
    let large = expect_pieces(&store, "large", kept + 1);
    block_on(store.replace(&id("large"), large, &snapshot(kept + 1))).unwrap();
    drop(store);
    let store = Embedded::open(&folder).unwrap();
    assert_eq!(open(&store, "small").1.records, numbered(1..=2));
    let (_, journal) = open(&store, "large");
    assert_eq!(journal.snapshot, Some((kept + 1, snapshot(kept + 1).bytes)));
    assert_eq!(journal.records, numbered([]));
}

/// The store is closed, and opened again, while the disk is full.
#[test]
fn opened_on_a_full_disk() {
    let Some(disk) = Disk::new() else { return };
    let folder = disk.path().join("store");
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let store = Embedded::open(&folder).unwrap();
    let (fence, _) = open(&store, "large");
    let kept = fill(&store, "large", fence);
    drop(store);
    // What room there is goes to somebody else.
    let _ = std::fs::write(disk.path().join("more"), vec![1; 16 << 20]);
    match Embedded::open(&folder) {
        // Reading the list needs no room, opening a journal needs some for its fence.
        Ok(store) => {
            assert_eq!(block_on(store.list()).unwrap(), [id("large")]);
            let opened = block_on(store.open(&id("large")));
            assert!(matches!(opened, Ok(_) | Err(StoreError::Full(_))), "{opened:?}");
        }
        Err(error) => assert!(matches!(error, unbroken_store::OpenError::Full(_)), "{error:?}"),
    }
    std::fs::remove_file(disk.path().join("more")).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    let store = Embedded::open(&folder).unwrap();
    let fence = expect_pieces(&store, "large", kept);
    let gone = Snapshot {
        bytes: Bytes::new(),
        ..snapshot(kept)
    };
    block_on(store.replace(&id("large"), fence, &gone)).unwrap();
    append(&store, "large", fence, kept + 1, &[piece(kept + 1)]).unwrap();
}
