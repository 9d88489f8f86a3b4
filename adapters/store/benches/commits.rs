//! What durability costs: appends a second of many journals at once, each of which waits for one append before the next.
//!
//! `cargo bench -p unbroken-store --bench commits [FOLDER]` prints a line for each size and number of journals; nothing is
//! asserted. Every 32 records a journal is replaced by a snapshot of 1 KiB, as a session does it. A figure is the median of several
//! rounds, which take turns with the baselines of the same line:
//!
//! * a plain file, to which a record is appended and synced, one after another;
//! * the same, but all journals' records share a write and a sync: what a store could do at most;
//! * SQLite by itself, a transaction for each message that is inserted.
//!
//! The folder must be on a real disk: in memory a sync costs nothing.
#![allow(clippy::unwrap_used, reason = "a benchmark has nobody to tell")]

mod baseline;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use baseline::{fresh, median, sqlite};
use bytes::Bytes;
use futures_executor::block_on;
use futures_util::future::join_all;
use unbroken_store::{Embedded, JournalId, Snapshot, Store};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(700);
const SNAPSHOT_EVERY: u64 = 32;

/// Appends a second of that many journals, each with one record of that size at a time.
fn store(folder: &Path, journals: usize, size: usize) -> f64 {
    let store = Embedded::open(folder.join("store")).unwrap();
    let record = [Bytes::from(vec![7; size])];
    let ids: Vec<JournalId> = (0..journals)
        .map(|own| format!("{own:032x}").parse().unwrap())
        .collect();
    let fences = block_on(join_all(ids.iter().map(|id| store.open(id))));
    let begin = Instant::now();
    let counts = block_on(join_all(ids.iter().zip(fences).map(async |(id, opened)| {
        let fence = opened.unwrap().fence;
        let mut number = 0;
        while begin.elapsed() < ROUND {
            number += 1;
            store.append(id, fence, number, &record).await.unwrap();
            if number % SNAPSHOT_EVERY == 0 {
                let snapshot = Snapshot {
                    through: number,
                    bytes: vec![9; 1024].into(),
                    keep_for: None,
                };
                store.replace(id, fence, &snapshot).await.unwrap();
            }
        }
        number
    })));
    let rate = counts.iter().sum::<u64>() as f64 / begin.elapsed().as_secs_f64();
    for id in &ids {
        let opened = block_on(store.open(id)).unwrap();
        assert!(opened.journal.records.len() < SNAPSHOT_EVERY as usize);
    }
    rate
}

/// Records a second of a plain file, `together` of them in one write and one sync.
fn plain(folder: &Path, together: usize, size: usize) -> f64 {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("plain"))
        .unwrap();
    let records = vec![7; size * together];
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < ROUND {
        file.write_all(&records).unwrap();
        file.sync_data().unwrap();
        count += together;
    }
    count as f64 / begin.elapsed().as_secs_f64()
}

fn main() {
    // Cargo adds options of its own.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("unbroken-store-bench-{}", std::process::id()));
    println!(
        "{:>6} {:>8} | {:>11} | {:>11} {:>7} | {:>11} {:>7} | {:>11} {:>7}",
        "bytes", "journals", "appends/s", "plain", "times", "sqlite", "times", "plain, all", "times"
    );
    for size in [64, 1024] {
        for journals in [1, 16, 256] {
            let mut rates = [const { Vec::new() }; 4];
            for _ in 0..ROUNDS {
                rates[0].push(fresh(&folder, |folder| store(folder, journals, size)));
                rates[1].push(fresh(&folder, |folder| plain(folder, 1, size)));
                rates[2].push(fresh(&folder, |folder| sqlite(folder, size, ROUND)));
                rates[3].push(fresh(&folder, |folder| plain(folder, journals, size)));
            }
            let [own, plain, sqlite, shared] = rates.map(median);
            let times = |other: f64| own / other;
            println!(
                "{size:>6} {journals:>8} | {own:>11.0} | {plain:>11.0} {:>7.2} | {sqlite:>11.0} {:>7.2} | {shared:>11.0} {:>7.3}",
                times(plain),
                times(sqlite),
                times(shared)
            );
        }
    }
}
