//! The machine's own smoke tests; everything beyond stands in the `unbroken-tests` crate.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::testing::{Pair, events, seal, shuttle};
use super::*;
use crate::config::{ClientConfig, Seed, ServerConfig, SessionConfig};
use crate::event::{Closer, EndReason, Event, Swap};
use crate::id::{Carrier, Epoch, StreamId};
use crate::reconnect::Cause;
use crate::security::{Auth, ServerAuth, SharedSecret};
use crate::server::{Admission, Registry, Route};
use crate::stream::{Chunk, StreamOptions};
use crate::time::{Duration, Instant};

mod anything;
mod durable;
mod flight;
mod health;
mod journal_vectors;
mod late;
mod laws;
mod lookup;
mod packets;
mod probing;
mod reconnecting;
mod remains;
mod resuming;
mod review;
mod swaps;
#[cfg(feature = "tracing")]
mod traced;
mod transcripts;
mod unknown;
mod verdicts;
mod wire;

fn payload(session: &mut Session, now: Instant, stream: StreamId) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(Chunk::Data { payload, .. })) = session.stream(stream).recv(now) {
        all.extend_from_slice(&payload);
    }
    all
}

/// A stream with a message, of which nothing is sent yet.
fn queue(session: &mut Session, now: Instant, message: Bytes) -> StreamId {
    let stream = session
        .open(now, StreamOptions::default())
        .expect("because there is room");
    send(session, now, stream, message);
    stream
}

fn send(session: &mut Session, now: Instant, stream: StreamId, message: impl Into<Bytes>) {
    let sent = session.stream(stream).send(now, message.into());
    sent.expect("because there is room");
}

/// A stream of the client's that the server knows of.
fn opened(pair: &mut Pair) -> StreamId {
    let stream = pair.client.open(pair.now, StreamOptions::default());
    pair.settle();
    stream.expect("because there is room")
}

#[test]
fn a_message_crosses_and_a_cut_loses_nothing() {
    let mut pair = Pair::new();
    let now = pair.now;
    let stream = queue(&mut pair.client, now, Bytes::from_static(b"one "));
    pair.dial();
    assert!(matches!(
        events(&mut pair.client)[..],
        [Event::Established { .. }, Event::Attached { swap: Swap::First, .. }]
    ));
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"one ");
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"two "))
        .expect("because there is room");
    let mut lost = Vec::new();
    let epoch = pair.links[0].0;
    assert!(pair.client.poll_transmit(now, epoch, &mut lost));
    pair.cut();
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"three"))
        .expect("because there is room");
    pair.dial();
    assert_eq!(payload(pair.server(), now, stream), b"two three");
    assert_eq!(pair.client.stats().replayed_bytes, 4);
    assert_eq!(pair.client.inspect().redundant, 0);
}

// PROTOCOL R4.12, R10.13
#[test]
fn a_planned_swap_moves_to_the_new_connection() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = queue(pair.server(), now, Bytes::from_static(b"before"));
    pair.settle();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.server().migrate(now, Duration::from_secs(1), Bytes::new());
    pair.settle();
    events(&mut pair.client);
    pair.dial();
    assert!(matches!(
        events(&mut pair.client)[..],
        [Event::Attached {
            swap: Swap::Planned,
            ..
        }]
    ));
    assert_eq!(pair.client.inspect().links, [false, true, false], "the old one is done");
    let (old, new) = (pair.links[0].0, pair.links[1].0);
    assert!(!pair.client.is_wanted(old) && pair.client.is_wanted(new));
    pair.server()
        .stream(stream)
        .send(now, Bytes::from_static(b" after"))
        .expect("because there is room");
    pair.settle();
    assert_eq!(pair.client.accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(&mut pair.client, now, stream), b"before after");
}

// PROTOCOL R8.4, R8.5, R8.9
#[test]
fn close_is_answered_and_both_ends_know_all() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"last words"))
        .expect("because there is room");
    pair.client
        .close(now, 7, Bytes::from_static(b"bye"))
        .expect("because the code fits");
    pair.settle();
    let ended = |events: Vec<Event>| match events.last() {
        Some(Event::Ended(ended)) => ended.clone(),
        other => panic!("{other:?}"),
    };
    let client = ended(events(&mut pair.client));
    let server = ended(events(pair.server()));
    let reason = |by| EndReason::Closed {
        code: 7,
        reason: Bytes::from_static(b"bye"),
        by,
    };
    assert_eq!(
        (client.reason, server.reason),
        (reason(Closer::Local), reason(Closer::Peer))
    );
    assert!(client.fates.all_delivered());
    assert_eq!(client.fates.streams[0].delivered.messages, 1);
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"last words");
    assert_eq!(pair.registry.session_count(), 0);
    assert_eq!(pair.registry.tombstone_count(), 1);
}

// PROTOCOL R8.6, R8.11
#[test]
fn a_close_whose_end_was_lost_is_still_known_to_be_complete() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    pair.server()
        .close(now, 3, Bytes::new())
        .expect("because the code fits");
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    // CLOSE and CLOSED cross; the server's END does not.
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, server, theirs, &mut pair.client, ours);
    shuttle(now, &mut pair.client, ours, server, theirs);
    assert_eq!(server.state(), SessionState::Ended);
    pair.settle_registry();
    pair.client.detach(now, ours, Cause::Network);
    // Two refusals in the clear, then the question inside a full handshake.
    for _ in 0..3 {
        pair.redial();
    }
    let last = events(&mut pair.client).pop();
    let reason = EndReason::Closed {
        code: 3,
        reason: Bytes::new(),
        by: Closer::Peer,
    };
    assert!(
        matches!(&last, Some(Event::Ended(ended)) if ended.reason == reason),
        "{last:?}"
    );
}

#[test]
fn data_on_streams_that_wait_for_a_slot_leaves_room_for_those_that_have_one() {
    let mut pair = Pair::with(|client, server| {
        client.outbox_limit = 4_096;
        server.max_streams = 1;
    });
    let now = pair.now;
    let streams = [(); 3].map(|()| {
        pair.client
            .open(now, StreamOptions::default())
            .expect("because few are open")
    });
    for stream in [streams[1], streams[2]] {
        while pair
            .client
            .stream(stream)
            .send(now, Bytes::from_static(&[0; 500]))
            .is_ok()
        {}
    }
    pair.dial();
    pair.client
        .stream(streams[0])
        .send(now, Bytes::from_static(&[1; 500]))
        .expect("because half is kept for it");
    let small = pair.client.stream(streams[1]).send(now, Bytes::from_static(&[2; 500]));
    assert!(small.is_err(), "the others have had their share");
}

#[test]
fn a_session_whose_confirmation_was_lost_is_resumed_all_the_same() {
    let mut pair = Pair::new();
    pair.confirm_lost = true;
    pair.dial();
    let now = pair.now;
    assert!(matches!(pair.client.state(), SessionState::Attached));
    assert!(
        matches!(pair.server().state(), SessionState::Connecting),
        "hidden until confirmed"
    );
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"kept"))
        .expect("because there is room");
    pair.cut();
    pair.confirm_lost = false;
    pair.dial();
    assert!(matches!(
        events(pair.server())[..],
        [Event::Established { .. }, Event::Attached { .. }, ..]
    ));
    assert_eq!(pair.server().accept(now).map(|s| s.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"kept");
}

// PROTOCOL R10.6
#[test]
fn a_session_never_confirmed_ends_with_the_handshake_timeout() {
    let mut pair = Pair::new();
    pair.confirm_lost = true;
    pair.dial();
    pair.cut();
    pair.sleep(Duration::from_secs(10));
    assert!(matches!(pair.server().state(), SessionState::Ended));
    pair.settle_registry();
    assert_eq!((pair.registry.session_count(), pair.registry.tombstone_count()), (0, 0));
}

mod commands;
