//! What the application sees waits for the disk, too: it acts upon it.

use super::*;
use crate::accept::Status;
use crate::error::{ConsumeError, OpenError, RecvError, SendRefusal};
use crate::server::{Delivery, LagPolicy, Subscription};
use crate::wire::frame::{Data, Frame};

/// A server that has a stream, and whose disk does not answer from now on.
fn attached() -> (Durable, StreamId) {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    let server = durable.pair.server();
    assert_eq!(server.accept(now).map(|accepted| accepted.id), Some(stream));
    assert_eq!(messages(server, now, stream), [b"one"]);
    durable.settle();
    let _ = told(durable.pair.server());
    (durable, stream)
}

/// All that the client says arrives.
fn carry(durable: &mut Durable) {
    let now = durable.pair.now;
    for _ in 0..4 {
        durable.client.keep(&mut durable.pair.client, now);
        durable.pair.settle();
    }
}

/// What the application is told.
fn told(session: &mut Session) -> Vec<Event> {
    let mut told = events(session);
    told.retain(|event| !matches!(event, Event::Health(_)));
    told
}

fn next_of(session: &mut Session, now: Instant, stream: StreamId) -> Result<Option<Chunk>, RecvError> {
    session.stream(stream).recv(now)
}

fn message(payload: &'static str) -> Chunk {
    Chunk::Data {
        payload: payload.into(),
        message_end: true,
    }
}

// PROTOCOL R17.9
#[test]
fn nothing_is_seen_that_is_not_kept() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    assert!(durable.pair.server().accept(now).is_none());
    let _ = told(durable.pair.server());
    let stream = queue(&mut durable.pair.client, now, "one".into());
    carry(&mut durable);
    let server = durable.pair.server();
    assert_eq!(server.inspect().expected, 2, "it is here");
    assert!(server.accept(now).is_none() && told(server).is_empty());
    durable.server.keep(durable.pair.server(), now);
    let server = durable.pair.server();
    assert!(matches!(told(server)[..], [Event::Incoming, Event::Readable(_)]));
    assert!(server.accept(now).is_some());
    assert_eq!(next_of(server, now, stream), Ok(Some(message("one"))));
    assert_eq!(next_of(server, now, stream), Ok(None));
    // So with what comes on a stream that is here, and with its end.
    for (say, seen) in [(true, Ok(Some(message("two")))), (false, Ok(Some(Chunk::End)))] {
        let client = &mut durable.pair.client;
        match say {
            true => send(client, now, stream, "two"),
            false => client.stream(stream).finish(now).expect("because it is open"),
        }
        carry(&mut durable);
        let server = durable.pair.server();
        assert_eq!(next_of(server, now, stream), Ok(None));
        assert!(told(server).is_empty());
        durable.server.keep(durable.pair.server(), now);
        let server = durable.pair.server();
        assert!(matches!(told(server)[..], [Event::Readable(readable)] if readable == stream));
        assert_eq!(next_of(server, now, stream), seen);
        let _ = next_of(server, now, stream);
    }
}

/// What was taken after a record is not seen with it.
#[test]
fn what_is_kept_is_seen_and_no_more() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    send(&mut durable.pair.client, now, stream, "two");
    carry(&mut durable);
    let first = durable.server.take(durable.pair.server()).expect("because it arrived");
    send(&mut durable.pair.client, now, stream, "three");
    durable
        .pair
        .client
        .stream(stream)
        .finish(now)
        .expect("because it is open");
    carry(&mut durable);
    let second = durable.server.take(durable.pair.server()).expect("because it arrived");
    let server = durable.pair.server();
    server.handle_persisted(now, first);
    assert_eq!(next_of(server, now, stream), Ok(Some(message("two"))));
    assert_eq!(next_of(server, now, stream), Ok(None));
    server.handle_persisted(now, second);
    assert_eq!(next_of(server, now, stream), Ok(Some(message("three"))));
    assert_eq!(next_of(server, now, stream), Ok(Some(Chunk::End)));
}

// PROTOCOL R17.9
#[test]
fn why_a_half_is_over_is_seen_once_it_is_kept() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    let client = &mut durable.pair.client;
    send(client, now, stream, "lost");
    client.stream(stream).reset(now, 5).expect("because it is open");
    client.stream(stream).stop(now, 6).expect("because it is open");
    carry(&mut durable);
    let server = durable.pair.server();
    assert_eq!(next_of(server, now, stream), Ok(None));
    let refused = server.stream(stream).send(now, "answer".into());
    assert_eq!(refused.map_err(|error| error.reason), Err(SendRefusal::Unread));
    assert!(told(server).is_empty());
    durable.server.keep(durable.pair.server(), now);
    let server = durable.pair.server();
    let told = told(server);
    let [Event::Readable(_), Event::Stopped { code: 6, .. }, Event::Writable] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(next_of(server, now, stream), Err(RecvError::Reset(5)));
    let refused = server.stream(stream).send(now, "answer".into());
    assert_eq!(refused.map_err(|error| error.reason), Err(SendRefusal::Stopped(6)));
}

/// The end of the session comes behind what was received before it, which comes once it is kept.
#[test]
fn a_session_ends_behind_what_is_still_to_be_kept() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    send(&mut durable.pair.client, now, stream, "last");
    carry(&mut durable);
    durable.pair.client.abort(now);
    carry(&mut durable);
    let server = durable.pair.server();
    assert_eq!(server.end_reason(), Some(&EndReason::AbortedByPeer));
    assert_eq!(next_of(server, now, stream), Ok(None));
    let before = told(server);
    assert!(
        !before.iter().any(|event| matches!(event, Event::Ended(_))),
        "{before:?}"
    );
    durable.server.keep(durable.pair.server(), now);
    let server = durable.pair.server();
    assert_eq!(next_of(server, now, stream), Ok(Some(message("last"))));
    assert_eq!(next_of(server, now, stream), Err(RecvError::SessionEnded));
    assert!(matches!(told(server)[..], [Event::Readable(_), Event::Ended(_)]));
}

#[test]
fn what_is_never_kept_is_never_seen() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    let read = durable.pair.server().stats().unread_bytes;
    send(&mut durable.pair.client, now, stream, "lost");
    queue(&mut durable.pair.client, now, "lost, too".into());
    carry(&mut durable);
    let server = durable.pair.server();
    server.handle_store_failed(now, StoreFailure::Failed);
    assert!(matches!(told(server).last(), Some(Event::Ended(_))));
    assert_eq!(next_of(server, now, stream), Err(RecvError::SessionEnded));
    assert!(server.accept(now).is_none());
    assert_eq!(server.stats().unread_bytes, read, "what is never read is not held");
    durable.server.keep(durable.pair.server(), now);
    let server = durable.pair.server();
    assert_eq!(next_of(server, now, stream), Err(RecvError::SessionEnded));
    assert!(server.accept(now).is_none() && told(server).is_empty());
}

/// The peer is told that it has arrived, once that is kept: so it can be read.
#[test]
fn what_arrived_before_an_abort_is_seen_once_it_is_kept() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    send(&mut durable.pair.client, now, stream, "last");
    carry(&mut durable);
    let server = durable.pair.server();
    server.abort(now);
    assert!(!told(server).iter().any(|event| matches!(event, Event::Ended(_))));
    durable.server.keep(durable.pair.server(), now);
    let server = durable.pair.server();
    assert_eq!(next_of(server, now, stream), Ok(Some(message("last"))));
    assert!(matches!(told(server).last(), Some(Event::Ended(_))));
}

/// Nothing is said of what was not kept: the session may go on where what is kept of it is restored.
#[test]
fn a_session_whose_end_is_not_kept_is_not_over_for_its_client() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    send(&mut durable.pair.client, now, stream, "last");
    carry(&mut durable);
    let server = durable.pair.server();
    server.abort(now);
    server.handle_store_failed(now, StoreFailure::Failed);
    let report = server.poll_report().expect("because it is over");
    let Status::Ended(Some(tombstone)) = report.status else {
        panic!("{report:?}");
    };
    assert!(tombstone.is_elsewhere());
}

/// Another implementation may send a frame in which there is nothing. It lies where the message before it ends.
#[test]
fn a_frame_with_nothing_in_it_waits_like_any_other() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    let ours = durable.pair.links[0].0;
    let nothing = Data {
        stream,
        payload: Bytes::new(),
        message_end: false,
        stream_end: false,
    };
    let plaintext = wire::plaintext(&[Frame::Data(nothing)]);
    let packet = seal(&mut durable.pair.client, ours, &plaintext);
    let theirs = durable.pair.links[0].1.expect("because it is up");
    let server = durable.pair.server();
    let taken = server.handle_input(now, theirs, BytesMut::from(&packet[..]));
    taken.expect("because payloads may be empty");
    let dealt_with = Place { messages: 1, bytes: 0 };
    let consumed = server.stream(stream).consumed(now, dealt_with);
    consumed.expect("because it was read");
    assert_eq!(next_of(server, now, stream), Ok(None));
    assert!(told(server).is_empty());
    durable.server.keep(durable.pair.server(), now);
    let nothing = Chunk::Data {
        payload: Bytes::new(),
        message_end: false,
    };
    let server = durable.pair.server();
    assert_eq!(next_of(server, now, stream), Ok(Some(nothing)));
    assert_eq!(next_of(server, now, stream), Ok(None));
}

/// A listener that wants no more is not one that lags, also while that is not kept.
#[test]
fn who_stops_a_broadcast_is_not_ended_for_lagging() {
    let (mut durable, _) = attached();
    let now = durable.pair.now;
    let mut listener = Subscription::new(StreamOptions::default(), 1 << 20, LagPolicy::End);
    let first = listener.deliver(now, durable.pair.server(), &"one".into());
    assert_eq!(first, Delivery::Queued);
    durable.settle();
    let stream = listener.stream().expect("because it was opened");
    let client = &mut durable.pair.client;
    client.accept(now).expect("because it arrived");
    client.stream(stream).stop(now, 0).expect("because it is open");
    carry(&mut durable);
    let server = durable.pair.server();
    assert_eq!(listener.deliver(now, server, &"two".into()), Delivery::Missed);
    durable.server.keep(durable.pair.server(), now);
    let server = durable.pair.server();
    assert_eq!(listener.deliver(now, server, &"three".into()), Delivery::Declined);
    assert_eq!(server.end_reason(), None);
}

/// A store that fails behind the end of the session: what it was to keep is not waited for any more.
#[test]
fn an_end_that_waits_for_a_store_comes_when_that_fails() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    send(&mut durable.pair.client, now, stream, "lost");
    carry(&mut durable);
    durable.pair.client.abort(now);
    carry(&mut durable);
    let server = durable.pair.server();
    assert_eq!(next_of(server, now, stream), Ok(None));
    let _ = told(server);
    server.handle_store_failed(now, StoreFailure::Failed);
    assert!(matches!(told(server)[..], [Event::Readable(_), Event::Ended(_)]));
    assert_eq!(next_of(server, now, stream), Err(RecvError::SessionEnded));
}

#[test]
fn that_the_peer_closes_is_told_once_it_is_kept() {
    let (mut durable, _) = attached();
    let now = durable.pair.now;
    durable
        .pair
        .client
        .close(now, 9, "bye".into())
        .expect("because the code is small");
    carry(&mut durable);
    let server = durable.pair.server();
    assert!(told(server).is_empty());
    assert_eq!(
        server.open(now, StreamOptions::default()),
        Err(OpenError::SessionClosed)
    );
    durable.server.keep(durable.pair.server(), now);
    let told = told(durable.pair.server());
    assert!(matches!(told[..], [Event::Closing { by: Closer::Peer }]), "{told:?}");
}

/// Nothing is read before it is kept. So who has dealt with more than is kept has an older copy of what was.
#[test]
fn a_mark_ahead_of_what_is_kept_ends_the_session() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    let older = durable.server.clone();
    send(&mut durable.pair.client, now, stream, "two");
    durable.settle();
    assert_eq!(messages(durable.pair.server(), now, stream), [b"two"]);
    durable.server = older;
    durable.restart();
    let now = durable.pair.now;
    let place = Place { messages: 1, bytes: 0 };
    let server = durable.pair.server();
    assert_eq!(server.stream(stream).consumed(now, place), Ok(()));
    let place = Place { messages: 2, bytes: 0 };
    assert_eq!(server.stream(stream).consumed(now, place), Err(ConsumeError::Ahead));
    assert_eq!(server.end_reason(), Some(&EndReason::StateLost));
}

/// What was dealt with may have been discarded by a reset since.
#[test]
fn a_mark_of_what_was_discarded_since_is_none_ahead() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    durable
        .pair
        .client
        .stream(stream)
        .reset(now, 5)
        .expect("because it is open");
    durable.settle();
    for snapshots in [false, true] {
        if snapshots {
            let record = durable.pair.server().snapshot().expect("because it is durable");
            durable.server.records = alloc::vec![record];
        }
        durable.restart();
        let now = durable.pair.now;
        let server = durable.pair.server();
        let place = Place { messages: 1, bytes: 0 };
        assert_eq!(server.stream(stream).consumed(now, place), Ok(()));
        assert_eq!(server.streams()[0].consumed, place);
        assert_eq!(server.end_reason(), None);
        durable.server.keep(durable.pair.server(), now);
    }
}

/// A close that crossed ours takes effect when ours is committed, and is told when that is kept.
#[test]
fn that_closes_crossed_is_told_once_it_is_kept() {
    let (mut durable, _) = attached();
    let now = durable.pair.now;
    let closes = |session: &mut Session| session.close(now, 0, Bytes::new()).expect("because the code is small");
    closes(&mut durable.pair.client);
    closes(durable.pair.server());
    let is_told = |durable: &mut Durable| {
        let told = told(durable.pair.server());
        told.iter()
            .any(|event| matches!(event, Event::Closing { by: Closer::Peer }))
    };
    // The server has packed nothing when the client's arrives.
    let (ours, theirs) = durable.pair.links[0];
    let theirs = theirs.expect("because it is up");
    for _ in 0..3 {
        durable.client.keep(&mut durable.pair.client, now);
        let server = durable.pair.server.as_mut().expect("because it is up");
        shuttle(now, &mut durable.pair.client, ours, server, theirs);
    }
    let mut records = 0;
    while durable.pair.server().poll_transmit(now, theirs, &mut Vec::new()) {}
    assert!(!is_told(&mut durable), "nothing of it is kept");
    while durable.server.keep(durable.pair.server(), now) {
        records += 1;
        while durable.pair.server().poll_transmit(now, theirs, &mut Vec::new()) {}
    }
    assert!(records > 0 && is_told(&mut durable));
}

/// Of what a session that was not durable had not read nothing was counted; it counts once the session is.
#[test]
fn what_was_exported_unread_can_be_dealt_with_after_a_restart() {
    let mut durable = Durable::new();
    durable.pair = Pair::with_configs(|_, server| server.session.durable = Some(at_rest()));
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "ask".into());
    durable.settle();
    let server = durable.pair.server();
    server.accept(now).expect("because it arrived");
    send(server, now, stream, "one");
    send(server, now, stream, "two");
    durable.settle();
    let key = AtRest::sealed([4; 32]);
    let ticket = durable
        .pair
        .client
        .export(now, &key)
        .expect("because it is established");
    let session = Session::import(client_config(), ticket, &key, None, Seed([6; 32]), now);
    durable.pair.client = session.expect("because it is whole");
    durable.client = Disk::default();
    let client = &mut durable.pair.client;
    assert_eq!(messages(client, now, stream), [b"one", b"two"]);
    let place = Place { messages: 2, bytes: 0 };
    client.stream(stream).consumed(now, place).expect("because it was read");
    durable.client.keep(&mut durable.pair.client, now);
    durable.restart_client();
    let again = durable.pair.client.stream(stream).consumed(now, place);
    again.expect("because it is the same place");
    assert_eq!(durable.pair.client.end_reason(), None);
}

/// Of two places that are said before a record is made the further one counts.
#[test]
fn a_place_that_is_said_late_takes_nothing_back() {
    let (mut durable, stream) = attached();
    let now = durable.pair.now;
    send(&mut durable.pair.client, now, stream, "two");
    durable.settle();
    let server = durable.pair.server();
    assert_eq!(messages(server, now, stream), [b"two"]);
    for messages in [2, 1] {
        let place = Place { messages, bytes: 0 };
        server.stream(stream).consumed(now, place).expect("because it was read");
    }
    durable.settle();
    durable.pair.cut();
    durable.restart_server();
    let now = durable.pair.now;
    assert_eq!(messages(durable.pair.server(), now, stream), [[0; 0]; 0]);
}
