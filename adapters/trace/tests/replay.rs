//! A traced client talks to a server through cuts; what it wrote down is done again.
#![allow(clippy::unwrap_used, reason = "a test")]

mod pair;

use std::io::{self, Write};

use bytes::Bytes;
use unbroken_proto::Instant;
use unbroken_proto::config::Seed;
use unbroken_proto::stream::StreamOptions;
use unbroken_trace::{ReplayError, Traced, replay};

use crate::pair::{Pair, Paper, config};

fn recorded() -> Vec<u8> {
    let paper = Paper::default();
    let now = Instant::from_millis(1_000);
    let client = Traced::connect(config(), Seed([3; 32]), now, paper.clone()).unwrap();
    let mut pair = Pair::new(client, now);
    let stream = pair.client.open(now, StreamOptions::default()).unwrap();
    for part in 0..40u8 {
        let _ = pair
            .client
            .stream(stream)
            .send(pair.now, Bytes::from(vec![part; 30_000]));
        pair.connection(usize::from(part % 5));
        let mut bytes = Bytes::from(vec![part; 10]);
        let _ = pair.client.stream(stream).write(pair.now, &mut bytes);
    }
    pair.client.abort(pair.now);
    assert!(pair.client.poll_event().is_some());
    assert!(pair.client.stats().attaches > 10);
    assert!(pair.client.trace_error().is_none());
    drop(pair);
    paper.lines()
}

#[test]
fn a_record_replays_to_the_same_bytes() {
    let lines = recorded();
    let count = lines.iter().filter(|byte| **byte == b'\n').count();
    let done = replay(config(), &lines[..]).unwrap();
    assert_eq!(usize::try_from(done).unwrap() + 1, count);
    assert!(done > 200, "{done}");
}

/// What was written before there were durable sessions says the same.
#[test]
fn a_record_of_the_format_before_replays() {
    let lines = String::from_utf8(recorded()).unwrap();
    let before = lines.replacen("\"format\":3", "\"format\":2", 1);
    assert_ne!(lines, before);
    assert!(replay(config(), before.as_bytes()).unwrap() > 200);
}

#[test]
fn another_configuration_is_noticed() {
    let mut other = config();
    other.session.fragment_size = 2_000;
    let error = replay(other, &recorded()[..]).unwrap_err();
    assert!(matches!(error, ReplayError::Diverged { .. }), "{error}");
}

#[test]
fn what_is_no_record_is_refused() {
    for text in [
        "",
        "{}",
        "nonsense\n",
        "{\"start\":{\"format\":2,\"side\":\"Client\",\"seed\":null,\"at\":0}}\n",
        "{\"start\":{\"format\":4,\"side\":\"Client\",\"seed\":\"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\",\"at\":0}}\n",
    ] {
        assert!(
            matches!(replay(config(), text.as_bytes()), Err(ReplayError::Start)),
            "{text}"
        );
    }
    let mut lines = recorded();
    lines.extend_from_slice(b"{\"at\":1,\"call\":\"explode\"}\n");
    assert!(matches!(
        replay(config(), &lines[..]),
        Err(ReplayError::Malformed { .. })
    ));
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_ends_the_record_and_not_the_session() {
    let now = Instant::from_millis(1_000);
    let mut client = Traced::connect(config(), Seed([3; 32]), now, Full).unwrap();
    assert!(client.open(now, StreamOptions::default()).is_ok());
    assert_eq!(
        client.trace_error().map(io::Error::kind),
        Some(io::ErrorKind::StorageFull)
    );
}
