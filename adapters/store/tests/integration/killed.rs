//! `kill -9` at any moment: what was answered is there, in order and without a gap.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use unbroken_store::{Embedded, Snapshot, Store};

use crate::embedded::{id, open};
use crate::folder::{Folder, Random};

const JOURNALS: usize = 6;
const ROUNDS: u32 = 25;
/// How many records are appended at once at most.
const AT_ONCE: u64 = 4;
/// How many records behind its snapshot make a journal get a new one.
const BEHIND: u64 = 50;

/// A record of any length that says which one it is.
fn record(journal: usize, number: u64) -> Bytes {
    let mut bytes = format!("{journal} {number} ").into_bytes();
    let length = Random(number << 8 | journal as u64).below(3000);
    bytes.resize(bytes.len() + length as usize, number as u8);
    bytes.into()
}

fn snapshot(journal: usize, through: u64) -> Snapshot {
    Snapshot {
        through,
        bytes: record(journal + JOURNALS, through),
        keep_for: None,
    }
}

/// Holds what is kept to what was written; returns the number of the last record.
fn check(store: &Embedded, journal: usize) -> (unbroken_store::Fence, u64, u64) {
    let (fence, kept) = open(store, &format!("j{journal}"));
    let through = kept.snapshot.as_ref().map_or(0, |(through, _)| *through);
    if let Some((through, bytes)) = kept.snapshot {
        assert!(bytes == snapshot(journal, through).bytes, "snapshot of {journal}");
    }
    let mut last = through;
    for kept in kept.records {
        last += 1;
        assert!(kept == record(journal, last), "record {last} of {journal}");
    }
    (fence, through, last)
}

#[test]
fn what_was_answered_is_there() {
    let folder = Folder::new();
    let mut random = Random::new();
    let mut before = [0; JOURNALS];
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::appends_until_it_is_killed", "--exact", "--nocapture"])
            .env("UNBROKEN_STORE_KILLED", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reading = thread::spawn(move || {
            let mut answered = [0; JOURNALS];
            for line in output.lines() {
                // The last one may be torn, and the harness has some of its own.
                let line = line.unwrap();
                let mut words = line.split(' ');
                if words.next() != Some("answered") || words.clone().nth(2) != Some(".") {
                    continue;
                }
                let journal: usize = words.next().unwrap().parse().unwrap();
                answered[journal] = words.next().unwrap().parse().unwrap();
            }
            answered
        });
        thread::sleep(Duration::from_millis(random.below(250)));
        child.kill().unwrap();
        child.wait().unwrap();
        let answered = reading.join().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        for journal in 0..JOURNALS {
            let (_, _, last) = check(&store, journal);
            let least = answered[journal].max(before[journal]);
            // One call at most was under way.
            let most = least + AT_ONCE;
            assert!(
                (least..=most).contains(&last),
                "round {round}, journal {journal}: {last} records of {least} that were answered"
            );
            before[journal] = last;
        }
    }
    println!("{} records in {ROUNDS} rounds", before.iter().sum::<u64>());
    assert!(
        before.iter().sum::<u64>() > 0,
        "no round had the time to append anything"
    );
}

/// The process that the test above kills; alone it does nothing.
#[test]
fn appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os("UNBROKEN_STORE_KILLED") else {
        return;
    };
    let store = Embedded::open(folder).unwrap();
    thread::scope(|scope| {
        for journal in 0..JOURNALS {
            let store = &store;
            scope.spawn(move || append_for_ever(store, journal));
        }
    });
}

fn append_for_ever(store: &Embedded, journal: usize) {
    let (fence, mut through, mut last) = check(store, journal);
    let id = id(&format!("j{journal}"));
    let mut random = Random(last);
    loop {
        let count = 1 + random.below(AT_ONCE);
        let records: Vec<Bytes> = (last + 1..=last + count)
            .map(|number| record(journal, number))
            .collect();
        block_on(store.append(&id, fence, last + 1, &records)).unwrap();
        last += count;
        let mut output = std::io::stdout().lock();
        writeln!(output, "answered {journal} {last} .").unwrap();
        output.flush().unwrap();
        drop(output);
        if last - through > BEHIND {
            through = last - random.below(3);
            block_on(store.replace(&id, fence, &snapshot(journal, through))).unwrap();
        }
    }
}
