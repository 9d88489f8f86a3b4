//! How many appends a second, beside plain messages to JetStream that wait for their answers, in one run on one server.
//!
//! `cargo bench -p unbroken-store --features nats --bench jetstream`, where nats-server is installed.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use bytes::Bytes;
use futures_util::future::join_all;
use unbroken_store::nats::NatsStore;
use unbroken_store::{JournalId, Snapshot, Store};

/// How long each of them is measured, and how often: they take turns, and the median counts.
const TIME: Duration = Duration::from_millis(700);
const ROUNDS: usize = 5;
/// How large a record is, and after how many there is a snapshot.
const SIZE: usize = 256;
const SNAPSHOT: u64 = 1000;

/// A server that ends with the benchmark.
struct Server(Child, std::path::PathBuf);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

fn main() {
    let folder = std::env::temp_dir().join(format!("unbroken-bench-{}", std::process::id()));
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let mut command = Command::new("nats-server");
    command
        .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
        .arg(&folder);
    let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        eprintln!("!! SKIPPED: nats-server is not installed (apt-get install nats-server)");
        return;
    };
    let _server = Server(child, folder);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(&format!("127.0.0.1:{port}")));
}

async fn measure(url: &str) {
    let client = loop {
        match async_nats::connect(url).await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let context = jetstream::new(client.clone());
    let config = jetstream::stream::Config {
        name: "plain".to_owned(),
        subjects: vec!["plain.*".to_owned()],
        ..Default::default()
    };
    context.create_stream(config).await.unwrap();
    let store = NatsStore::new(client, Default::default()).await.unwrap();
    println!("records of {SIZE} bytes; median of {ROUNDS} rounds of {TIME:?}");
    println!("{:>8} {:>12} {:>12} {:>8}", "journals", "appends/s", "plain/s", "ratio");
    for count in [1, 16, 256] {
        let ids: Vec<JournalId> = (0..count)
            .map(|number| format!("{count}-{number}").parse().unwrap())
            .collect();
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(appends(&store, &ids).await);
            plain.push(publishes(&context, &ids).await);
        }
        let (ours, plain) = (median(ours), median(plain));
        println!("{count:>8} {ours:>12.0} {plain:>12.0} {:>8.2}", ours / plain);
    }
    opens(&store).await;
}

/// Appends a second, one after the other in each journal.
async fn appends(store: &NatsStore, ids: &[JournalId]) -> f64 {
    let opened = join_all(ids.iter().map(|id| store.open(id))).await;
    let begin = Instant::now();
    let counts = join_all(ids.iter().zip(opened).map(|(id, opened)| async move {
        let opened = opened.unwrap();
        let through = opened.journal.snapshot.map_or(0, |(through, _)| through);
        let (mut last, record) = (
            through + opened.journal.records.len() as u64,
            [Bytes::from(vec![7; SIZE])],
        );
        let first = last;
        while begin.elapsed() < TIME {
            last += 1;
            store.append(id, opened.fence, last, &record).await.unwrap();
            if last % SNAPSHOT == 0 {
                let snapshot = Snapshot {
                    through: last,
                    bytes: vec![7; SIZE].into(),
                    keep_for: None,
                };
                store.replace(id, opened.fence, &snapshot).await.unwrap();
            }
        }
        last - first
    }))
    .await;
    counts.iter().sum::<u64>() as f64 / begin.elapsed().as_secs_f64()
}

/// Plain messages a second, each with its answer, one after the other in each subject.
async fn publishes(context: &jetstream::Context, ids: &[JournalId]) -> f64 {
    let begin = Instant::now();
    let counts = join_all(ids.iter().map(|id| async move {
        let mut count = 0_u64;
        while begin.elapsed() < TIME {
            let sent = context
                .publish(format!("plain.{id}"), vec![7; SIZE].into())
                .await
                .unwrap();
            sent.await.unwrap();
            count += 1;
        }
        count
    }))
    .await;
    counts.iter().sum::<u64>() as f64 / begin.elapsed().as_secs_f64()
}

/// How long it takes to open journals that are new, and again with a hundred records.
async fn opens(store: &NatsStore) {
    let ids: Vec<JournalId> = (0..100)
        .map(|number| format!("open-{number}").parse().unwrap())
        .collect();
    let begin = Instant::now();
    for id in &ids {
        let fence = store.open(id).await.unwrap().fence;
        let records: Vec<Bytes> = (0..100).map(|_| vec![7; SIZE].into()).collect();
        for (number, record) in (1..).zip(records.chunks(10)) {
            store.append(id, fence, (number - 1) * 10 + 1, record).await.unwrap();
        }
    }
    let new = begin.elapsed() / 100;
    let begin = Instant::now();
    for id in &ids {
        assert_eq!(store.open(id).await.unwrap().journal.records.len(), 100);
    }
    println!(
        "open, new, and ten appends of ten records: {new:?}; open with them: {:?}",
        begin.elapsed() / 100
    );
    let begin = Instant::now();
    println!(
        "list of {} journals: {:?}",
        store.list().await.unwrap().len(),
        begin.elapsed()
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
