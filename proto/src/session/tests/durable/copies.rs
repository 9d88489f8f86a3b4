//! Two processes that hold one journal, which no lock kept apart: what the peer has of one of them is never taken for what the other one says.

use super::*;

/// A client, a stream of its that the server knows, and its journal as it lies in another folder, too.
fn copied() -> (Durable, StreamId, Disk) {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "both".into());
    durable.settle();
    assert!(durable.pair.server().accept(now).is_some());
    let journal = durable.client.clone();
    (durable, stream, journal)
}

impl Durable {
    /// The process that goes on with that copy of the client's journal is the client from here on. The one before it lives. `in_handshake`: as after RESUMEs
    /// that were refused.
    fn change_clients(&mut self, journal: Disk, in_handshake: bool) -> Session {
        self.client = journal;
        let now = self.pair.now;
        let seed = Seed([0x77; 32]);
        let copy = Session::restore(client_config(), &self.client.pieces(), None, seed, now);
        let original = core::mem::replace(&mut self.pair.client, copy.expect("because it is honest"));
        if in_handshake {
            (0..2).for_each(|_| self.pair.client.reconnecting.on_refused(true));
        }
        original
    }
}

/// As [`copied`], where a message of both is lost with the old connection of a planned swap, so that what is said from now on is ahead of its turn.
fn copied_with_a_gap() -> (Durable, StreamId, Disk) {
    let (mut durable, stream, _) = copied();
    let now = durable.pair.now;
    let old = durable.connection().0;
    durable.pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    send(&mut durable.pair.client, now, stream, "both, late");
    durable.client_says(old);
    durable.pair.held = Some(old);
    durable.dial();
    let journal = durable.client.clone();
    (durable, stream, journal)
}

/// What the client says is ahead of its turn, and is the last that is heard of it.
fn says_ahead(durable: &mut Durable) {
    durable.settle();
    assert!(durable.pair.server().stats().inbox_bytes > 0, "it is ahead of its turn");
    durable.pair.links.clear();
    durable.pair.held = None;
}

/// Found by random schedules: the server had taken it, and not kept it yet, so that RESUMED did not speak of it.
// PROTOCOL R17.14
#[test]
fn what_was_taken_of_a_copy_and_is_not_kept_yet_counts() {
    for in_handshake in [false, true] {
        let (mut durable, stream, journal) = copied();
        let now = durable.pair.now;
        send(&mut durable.pair.client, now, stream, "of the original");
        durable.client_says_last();
        let _original = durable.change_clients(journal, in_handshake);
        send(&mut durable.pair.client, now, stream, "of the copy");
        durable.dial();
        let client = &mut durable.pair.client;
        assert_eq!(client.end_reason(), Some(&EndReason::StateLost));
        let ended = events(client).into_iter().find_map(|event| match event {
            Event::Ended(ended) => Some(ended),
            _ => None,
        });
        let fates = ended.expect("because it ended").fates;
        assert_eq!(fates.streams[0].not_delivered.len(), 1, "{fates:?}");
        let read = messages(durable.pair.server(), now, stream);
        assert_eq!(read, [b"both".to_vec(), b"of the original".to_vec()]);
    }
}

/// The same, where the original speaks between the answer to the copy and its confirmation.
// PROTOCOL R10.22
#[test]
fn nothing_is_taken_of_a_client_that_another_one_was_answered_for() {
    for in_handshake in [false, true] {
        let (mut durable, stream, journal) = copied();
        let now = durable.pair.now;
        let (ours, theirs) = durable.connection();
        durable.pair.links.clear();
        send(&mut durable.pair.client, now, stream, "of the original");
        let said = durable.client_says(ours);
        let _original = durable.change_clients(journal, in_handshake);
        send(&mut durable.pair.client, now, stream, "of the copy");
        durable.connect();
        let server = durable.pair.server();
        assert_eq!(server.state(), SessionState::Attached);
        arrive(durable.pair.server(), now, theirs, said);
        durable.settle();
        let read = messages(durable.pair.server(), now, stream);
        assert_eq!(read, [b"both".to_vec(), b"of the copy".to_vec()]);
    }
}

/// The same, where what the original said came ahead of its turn, in a planned swap.
// PROTOCOL R10.23
#[test]
fn what_came_ahead_of_its_turn_is_said_again_by_who_goes_on() {
    let (mut durable, stream, journal) = copied_with_a_gap();
    let now = durable.pair.now;
    send(&mut durable.pair.client, now, stream, "of the original");
    says_ahead(&mut durable);
    let _original = durable.change_clients(journal, false);
    send(&mut durable.pair.client, now, stream, "of the copy");
    durable.dial();
    assert_eq!(durable.pair.client.end_reason(), None);
    let read = messages(durable.pair.server(), now, stream);
    let bytes = read.iter().map(Vec::len).sum::<usize>();
    assert_eq!(
        durable.pair.server().stats().payload_received,
        bytes as u64,
        "each once"
    );
    assert_eq!(
        read,
        ["both", "both, late", "of the copy"].map(|message| message.as_bytes().to_vec())
    );
}

/// What a CLOSE says that was ahead of its turn goes with it, also from what is kept.
// PROTOCOL R10.23
#[test]
fn a_close_ahead_of_its_turn_does_not_outlive_its_connections() {
    let (mut durable, stream, journal) = copied_with_a_gap();
    let now = durable.pair.now;
    durable
        .pair
        .client
        .close(now, 3, Bytes::new())
        .expect("because the code fits");
    says_ahead(&mut durable);
    let snapshot = durable.pair.server().snapshot().expect("because it is durable");
    durable.pair.server().handle_persisted(now, snapshot.number);
    durable.server = Disk {
        records: alloc::vec![snapshot],
    };
    let _original = durable.change_clients(journal, false);
    for message in ["of the copy", "of the copy, too"] {
        send(&mut durable.pair.client, now, stream, message);
    }
    durable.dial();
    durable.pair.cut();
    durable.restart_server();
    durable.dial();
    assert_eq!(durable.pair.client.end_reason(), None);
    assert_eq!(messages(durable.pair.server(), now, stream).len(), 4);
}

/// The same of two servers: what the client took of one, and has not kept yet when it asks the other.
// PROTOCOL R17.14
#[test]
fn what_was_taken_of_a_copied_server_and_is_not_kept_yet_counts() {
    let (mut durable, stream, _) = copied();
    let now = durable.pair.now;
    let journal = durable.server.clone();
    let (ours, theirs) = durable.connection();
    durable.pair.links.clear();
    send(durable.pair.server(), now, stream, "of the original");
    let server = durable.pair.server.as_mut().expect("because it was dialled");
    let said = packets(server, &mut durable.server, now, theirs);
    arrive(&mut durable.pair.client, now, ours, said);
    durable.pair.client.detach(now, ours, Cause::Network);
    durable.server = journal;
    durable.restart_server();
    assert!(durable.pair.server().accept(now).is_some());
    send(durable.pair.server(), now, stream, "of the copy");
    durable.dial();
    assert_eq!(durable.pair.client.end_reason(), Some(&EndReason::StateLost));
    let read = messages(&mut durable.pair.client, now, stream);
    assert_eq!(read, [b"of the original".to_vec()]);
}

/// The same of two servers where the client moves from one to the other, and goes on hearing the first until it is answered.
// PROTOCOL R10.22
#[test]
fn what_was_taken_meanwhile_of_a_copied_server_counts() {
    let (mut durable, stream, _) = copied();
    let now = durable.pair.now;
    let journal = durable.server.clone();
    let (old, first) = durable.connection();
    durable.pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    let mut original = durable.pair.server.take().expect("because it was dialled");
    let mut disk = core::mem::replace(&mut durable.server, journal);
    durable.restart_server();
    assert!(durable.pair.server().accept(now).is_some());
    send(durable.pair.server(), now, stream, "of the copy");
    let (ours, theirs) = durable.connect();
    send(&mut original, now, stream, "of the original");
    let said = packets(&mut original, &mut disk, now, first);
    arrive(&mut durable.pair.client, now, old, said);
    durable.server.keep(durable.pair.server(), now);
    let said = packets(durable.pair.server(), &mut Disk::default(), now, theirs);
    arrive(&mut durable.pair.client, now, ours, said);
    let said = durable.client_says(ours);
    for packet in said {
        let _is_refused = durable
            .pair
            .server()
            .handle_input(now, theirs, BytesMut::from(&packet[..]));
    }
    assert!(durable.pair.server().end_reason().is_some());
    let said = packets(durable.pair.server(), &mut Disk::default(), now, theirs);
    arrive(&mut durable.pair.client, now, ours, said);
    let read = messages(&mut durable.pair.client, now, stream);
    assert_eq!(read, [b"of the original".to_vec()]);
    let fates = events(durable.pair.server()).into_iter().find_map(|event| match event {
        Event::Ended(ended) => Some(ended.fates),
        _ => None,
    });
    assert_eq!(fates.map(|fates| fates.streams[0].delivered.messages), Some(0));
}
