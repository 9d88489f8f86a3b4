//! What a durable session costs as an application sees it: both ends durable, over loopback TCP, in one process.
//!
//! `cargo bench -p unbroken-store --bench sessions [FOLDER]`, with `--features nats` also against JetStream, where nats-server is installed.
//! Nothing is asserted. A figure is the median of several rounds, which take turns with those that it is compared with:
//!
//! * messages a second, as many on their way as the session takes, until the receiver's `consumed` of the last one is kept; against SQLite by itself,
//!   a transaction for each message that is inserted; and against JetStream, which answers each message;
//! * a round trip of one message at a time, against a session that is not durable;
//! * how long 10,000 sessions take to be restored, and how much room each has on the disk (`SESSIONS=N` for another number).
//!
//! The folder must be on a real disk: in memory a sync costs nothing.
#![allow(clippy::unwrap_used, reason = "a benchmark has nobody to tell")]

#[path = "../baseline/mod.rs"]
mod baseline;
mod counted;
#[cfg(feature = "nats")]
mod jetstream;
mod pair;
mod restoring;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use baseline::{fresh, median, sqlite};
use bytes::Bytes;
use counted::Counted;
use pair::Pair;
use tokio::runtime::Runtime;
use unbroken_store::{Embedded, Store};
use unbroken_tokio::proto::stream::StreamOptions;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(700);
const SIZES: [usize; 2] = [64, 1024];
const PINGS: usize = 200;

/// Sends messages from the client to the server, which deals with them: how many, and how many a second.
async fn one_way(pair: &Pair, size: usize) -> (f64, f64) {
    let (mut send, _recv) = pair.client.open(StreamOptions::default()).await.unwrap().split();
    let message = Bytes::from(vec![7; size]);
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        while begin.elapsed() < ROUND {
            send.send(message.clone()).await.unwrap();
        }
        send.finish();
    });
    let (_send, mut recv) = pair.server.accept().await.unwrap().split();
    let mut count = 0_u32;
    while let Some(message) = recv.recv().await.unwrap() {
        assert_eq!(message.len(), size);
        count += 1;
        let place = recv.place();
        recv.consumed(place).unwrap();
    }
    pair.server.persisted().await.unwrap();
    let rate = f64::from(count) / begin.elapsed().as_secs_f64();
    sending.await.unwrap();
    (f64::from(count), rate)
}

/// How long a message of 64 bytes takes there and back, when there is no other: the median, in milliseconds.
async fn round_trip(pair: &Pair) -> f64 {
    let is_durable = pair.is_durable;
    let mut stream = pair.client.open(StreamOptions::default()).await.unwrap();
    let session = pair.server.clone();
    let echo = tokio::spawn(async move {
        let mut stream = session.accept().await.unwrap();
        while let Some(message) = stream.receiver().recv().await.unwrap() {
            let place = stream.receiver().place();
            if is_durable {
                stream.receiver().consumed(place).unwrap();
            }
            stream.sender().send(message).await.unwrap();
        }
        stream.sender().finish();
    });
    let message = Bytes::from(vec![7; 64]);
    let mut times = Vec::new();
    for _ in 0..PINGS {
        let begin = Instant::now();
        stream.sender().send(message.clone()).await.unwrap();
        let _echo = stream.receiver().recv().await.unwrap().unwrap();
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        let place = stream.receiver().place();
        if is_durable {
            stream.receiver().consumed(place).unwrap();
        }
    }
    stream.sender().finish();
    echo.await.unwrap();
    median(times)
}

/// A pair whose ends have a store each, and how much they write.
async fn embedded(folder: &Path) -> (Pair, [Arc<Counted>; 2]) {
    let stores = ["client", "server"].map(|end| {
        let store = Embedded::open(folder.join(end)).unwrap();
        Arc::new(Counted::new(Arc::new(store)))
    });
    let pair = Pair::new(Some(stores.clone().map(|store| store as Arc<dyn Store>))).await;
    (pair, stores)
}

fn throughput(runtime: &Runtime, folder: &Path) {
    println!(
        "{:>6} | {:>10} | {:>9} {:>6} | writes for 1,000 messages: sender, receiver",
        "bytes", "messages/s", "SQLite/s", "times"
    );
    for size in SIZES {
        let mut rates = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            let [ours, writes, theirs] = fresh(folder, |folder| {
                runtime.block_on(async {
                    let (pair, stores) = embedded(folder).await;
                    let before = stores.each_ref().map(|store| store.writes());
                    let (count, rate) = one_way(&pair, size).await;
                    let each = |end: usize| 1000.0 * (stores[end].writes() - before[end]) as f64 / count;
                    let writes = [each(0), each(1)];
                    pair.close().await;
                    [rate, writes[0], writes[1]]
                })
            });
            for (rates, value) in rates.iter_mut().zip([ours, writes, theirs]) {
                rates.push(value);
            }
            rates[3].push(fresh(folder, |folder| sqlite(folder, size, ROUND)));
        }
        let [ours, by_sender, by_receiver, sqlite] = rates.map(median);
        println!(
            "{size:>6} | {ours:>10.0} | {sqlite:>9.0} {:>6.1} | {by_sender:.1}, {by_receiver:.1}",
            ours / sqlite
        );
    }
}

fn latency(runtime: &Runtime, folder: &Path) {
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        times[0].push(fresh(folder, |folder| {
            runtime.block_on(async {
                let (pair, _) = embedded(folder).await;
                let time = round_trip(&pair).await;
                pair.close().await;
                time
            })
        }));
        times[1].push(runtime.block_on(async {
            let pair = Pair::new(None).await;
            let time = round_trip(&pair).await;
            pair.close().await;
            time
        }));
    }
    let [durable, other] = times.map(median);
    println!(
        "a round trip of 64 bytes, one at a time: durable {durable:.2} ms, not durable {other:.3} ms, added {:.2} ms",
        durable - other
    );
}

fn main() {
    // Cargo adds options of its own.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("unbroken-store-bench-{}", std::process::id()));
    let runtime = Runtime::new().unwrap();
    throughput(&runtime, &folder);
    latency(&runtime, &folder);
    #[cfg(feature = "nats")]
    jetstream::run(&runtime, &folder);
    restoring::run(&folder);
}
