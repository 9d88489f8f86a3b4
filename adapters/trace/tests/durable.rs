//! A traced durable client dies and goes on from what was kept; the records of both lives are done again.
#![allow(clippy::unwrap_used, reason = "a test")]

mod pair;

use bytes::Bytes;
use unbroken_proto::config::Seed;
use unbroken_proto::event::Place;
use unbroken_proto::security::AtRest;
use unbroken_proto::session::StoreFailure;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{ClientConfig, Duration, Instant, StreamId};
use unbroken_trace::{ReplayError, Traced, replay};

use crate::pair::{Pair, Paper};

/// The storage key, which is not to be in any record.
const KEY: [u8; 32] = *b"the key under which it is stored";

fn config() -> ClientConfig {
    let mut config = pair::config();
    config.session.durable = Some(AtRest::sealed(KEY));
    config
}

fn talk(pair: &mut Pair, stream: StreamId, parts: std::ops::Range<u8>) {
    for part in parts {
        let message = Bytes::from(vec![part; 3_000]);
        let _ = pair.client.stream(stream).send(pair.now, message);
        pair.connection(usize::from(part % 6));
    }
}

/// The records of a first process, and of one that went on from what the first had kept and lost its store at last.
fn lives() -> [Vec<u8>; 2] {
    let now = Instant::from_millis(1_000);
    let (first, second) = (Paper::default(), Paper::default());
    let client = Traced::connect(config(), Seed([3; 32]), now, first.clone()).unwrap();
    let mut pair = Pair::new(client, now);
    let stream = pair.client.open(now, StreamOptions::default()).unwrap();
    talk(&mut pair, stream, 0..20);
    let snapshot = pair.client.snapshot().unwrap();
    pair.client.handle_persisted(pair.now, snapshot.number);
    pair.kept = vec![snapshot];
    talk(&mut pair, stream, 20..30);
    // What was not kept dies with its process.
    let _ = pair.client.stream(stream).send(pair.now, Bytes::from_static(b"lost"));
    assert!(pair.client.stats().attaches > 10);

    let journal: Vec<Bytes> = pair.kept.iter().map(|record| record.bytes.clone()).collect();
    assert!(journal.len() > 1);
    let away = Some(Duration::from_secs(5));
    pair.now = pair.now + Duration::from_secs(5);
    pair.client = Traced::restore(config(), &journal, away, Seed([5; 32]), pair.now, second.clone()).unwrap();
    let place = Place { messages: 0, bytes: 0 };
    pair.client.stream(stream).consumed(pair.now, place).unwrap();
    talk(&mut pair, stream, 30..50);
    assert!(pair.client.trace_error().is_none());
    pair.client.handle_store_failed(pair.now, StoreFailure::Superseded);
    while pair.client.poll_event().is_some() {}
    drop(pair);
    [first.lines(), second.lines()]
}

fn calls(lines: &[u8], call: &str) -> usize {
    let text = std::str::from_utf8(lines).unwrap();
    text.lines()
        .filter(|line| line.contains(&format!("\"call\":\"{call}\"")))
        .count()
}

#[test]
fn a_durable_session_replays_to_the_same_records_and_packets() {
    let [first, second] = lives();
    assert_eq!(calls(&first, "snapshot"), 1);
    assert_eq!(calls(&second, "handle_store_failed"), 1);
    assert_eq!(calls(&second, "consumed"), 1);
    for lines in [first, second] {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        assert!(calls(&lines, "poll_record") > 20);
        assert!(calls(&lines, "handle_persisted") > 20);
        assert_eq!(calls(&lines, "unrecorded"), 0);
        let done = replay(config(), &lines[..]).unwrap();
        assert_eq!(usize::try_from(done).unwrap() + 1, count);
    }
}

/// What a host says too early or too late makes another session of it.
#[test]
fn a_record_without_what_was_kept_diverges() {
    let [first, _] = lives();
    let text = String::from_utf8(first).unwrap();
    let without: String = text
        .lines()
        .filter(|line| !line.contains("handle_persisted"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let error = replay(config(), without.as_bytes()).unwrap_err();
    assert!(matches!(error, ReplayError::Diverged { .. }), "{error}");
}

/// A trace is a secret, and yet what was sealed under the storage key takes that key.
#[test]
fn the_storage_key_is_in_no_record_and_is_asked_for() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let [first, second] = lives();
    let mut other = config();
    other.session.durable = Some(AtRest::sealed([1; 32]));
    assert!(matches!(
        replay(other.clone(), &first[..]).unwrap_err(),
        ReplayError::Diverged { .. }
    ));
    assert!(matches!(
        replay(other, &second[..]).unwrap_err(),
        ReplayError::Restore(_)
    ));
    for lines in [first, second] {
        let text = std::str::from_utf8(&lines).unwrap();
        for line in text.lines() {
            assert!(!line.contains(std::str::from_utf8(&KEY).unwrap()));
        }
        // As Base64 has it, wherever it begins within three bytes.
        for before in 0..3 {
            let padded = [&vec![0; before][..], &KEY].concat();
            let encoded = STANDARD_NO_PAD.encode(padded);
            assert!(!text.contains(&encoded[4..36]));
        }
    }
}

#[test]
fn a_ticket_is_not_written_down() {
    let now = Instant::from_millis(1_000);
    let paper = Paper::default();
    let client = Traced::connect(config(), Seed([3; 32]), now, paper.clone()).unwrap();
    let mut pair = Pair::new(client, now);
    pair.connection(4);
    assert!(pair.client.export(pair.now, &AtRest::sealed([8; 32])).is_some());
    drop(pair);
    let error = replay(config(), &paper.lines()[..]).unwrap_err();
    assert!(
        matches!(&error, ReplayError::NotReplayable { method, .. } if method == "export"),
        "{error}"
    );
}
