//! What the features `trace` and `metrics` tell of a session over a real socket that is cut.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{Carrier, client_config, cutting_relay, pattern, round_trip, server, soon, spawn_echo};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use unbroken_tokio::carriers::Address;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{connect_traced, connector, trace};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Counters by name, labels added up.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<BTreeMap<String, Arc<Count>>>>);

impl Board {
    fn of(&self, name: &str) -> u64 {
        let counts = self.0.lock().unwrap();
        counts.get(name).map_or(0, |count| count.0.load(Ordering::Relaxed))
    }
}

impl Recorder for Board {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let count = Arc::clone(self.0.lock().unwrap().entry(key.name().to_owned()).or_default());
        Counter::from_arc(count)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_cut_is_counted_and_replays_to_the_same_bytes() {
    let board = Board::default();
    metrics::set_global_recorder(board.clone()).unwrap();
    let paper = Paper::default();
    let (server, address) = server(Carrier::Tcp).await;
    spawn_echo(server);
    let (relay, cuts) = cutting_relay(address, 5, 40_000, 11).await;
    let address = Address::parse(&relay.to_string()).unwrap();
    let session = connect_traced(client_config(), connector(address), paper.clone()).unwrap();
    let (send, mut recv) = session.open(StreamOptions::default()).await.unwrap().split();
    let messages: Vec<Bytes> = (0..60).map(|n| pattern(n, 5_000).into()).collect();
    assert_eq!(round_trip(messages.clone(), send, &mut recv).await, messages);
    let stats = session.stats();
    let ended = soon("the end", session.close(0, Bytes::new())).await.unwrap();
    assert!(ended.fates.all_delivered());
    assert_eq!(cuts.load(Ordering::Relaxed), 5);

    assert_eq!(board.of("unbroken_sessions_total"), 2, "both ends are in this process");
    assert!(stats.attaches > 1 && board.of("unbroken_attaches_total") > stats.attaches);
    assert!(board.of("unbroken_payload_sent_bytes_total") >= 2 * 60 * 5_000);
    assert!(board.of("unbroken_replayed_bytes_total") >= stats.replayed_bytes);
    assert!(board.of("unbroken_attempts_total") >= 6, "five cuts and the last one");
    assert!(board.of("unbroken_ends_total") >= 1);

    let record = paper.0.lock().unwrap().clone();
    let done = trace::replay(client_config(), &record[..]).unwrap();
    assert!(done > 200, "{done} calls");
}
