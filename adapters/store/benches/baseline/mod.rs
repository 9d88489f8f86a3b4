//! What the benchmarks compare with.

use std::path::Path;
use std::time::{Duration, Instant};

/// Messages a second that are inserted into a table, each by a transaction of its own.
pub(crate) fn sqlite(folder: &Path, size: usize, time: Duration) -> f64 {
    let database = rusqlite::Connection::open(folder.join("messages.sqlite")).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE messages (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
        )
        .unwrap();
    let message = vec![7; size];
    let mut insert = database.prepare("INSERT INTO messages (bytes) VALUES (?1)").unwrap();
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < time {
        insert.execute([&message]).unwrap();
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

/// Measures in a new folder, which is gone when it is done.
pub(crate) fn fresh<T>(folder: &Path, measure: impl FnOnce(&Path) -> T) -> T {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::File::open(folder).unwrap().sync_all().unwrap();
    let measured = measure(folder);
    let _ = std::fs::remove_dir_all(folder);
    measured
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
