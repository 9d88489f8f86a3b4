//! What became of everything.

use super::*;
use crate::event::{Tally, Undelivered};
use crate::stream::Queued;

fn message(payload: &'static [u8]) -> Undelivered {
    Undelivered {
        payload: Bytes::from_static(payload),
        message: true,
    }
}

/// One stream with three messages, of which two are committed as one frame each.
fn three_messages() -> End {
    let [mut client, mut server] = pair();
    client.open();
    client.pass(&mut server, 9, 9_000);
    client.ack();
    let id = client.mine[0];
    for text in [&b"one"[..], b"two", b"three"] {
        client
            .streams
            .send(id, Bytes::from_static(text))
            .expect("because there is room");
    }
    client.pass(&mut server, 2, 9_000);
    client
}

// PROTOCOL R8.9
#[test]
fn an_unknown_position_leaves_what_was_packed_unknown_and_the_rest_undelivered() {
    let mut client = three_messages();
    let fates = client.streams.fates(&mut client.outbox, None, Queued::HandedBack);
    let [fate] = &fates.streams[..] else {
        panic!("{fates:?}")
    };
    assert_eq!(fate.unknown, Tally { messages: 2, bytes: 0 });
    assert_eq!(fate.not_delivered, [message(b"three")]);
    assert!(!fates.all_delivered());
}

// PROTOCOL R8.9
#[test]
fn a_known_position_decides_each() {
    let mut client = three_messages();
    // Position 0 was OPEN.
    let fates = client.streams.fates(&mut client.outbox, Some(2), Queued::HandedBack);
    let [fate] = &fates.streams[..] else {
        panic!("{fates:?}")
    };
    assert_eq!(fate.delivered, Tally { messages: 1, bytes: 0 });
    assert!(fate.unknown.is_zero());
    assert_eq!(fate.not_delivered, [message(b"two"), message(b"three")]);
}

#[test]
fn acknowledged_is_delivered() {
    let mut client = three_messages();
    client.ack();
    let fates = client.streams.fates(&mut client.outbox, None, Queued::HandedBack);
    let [fate] = &fates.streams[..] else {
        panic!("{fates:?}")
    };
    assert_eq!((fate.delivered.messages, fate.not_delivered.len()), (2, 1));
}

#[test]
fn a_message_in_fragments_has_the_fate_of_its_last_and_comes_back_whole() {
    let payload = Bytes::from(std::vec![9; 40_000]);
    for committed in 0..3 {
        let [mut client, mut server] = pair();
        client.open();
        client.pass(&mut server, 1, 20_000);
        client
            .streams
            .send(client.mine[0], payload.clone())
            .expect("because there is room");
        client.pass(&mut server, committed, 20_000);
        // The peer has all that was packed, but no end of the message before the third fragment.
        let fates = client
            .streams
            .fates(&mut client.outbox, Some(1 + committed as u64), Queued::HandedBack);
        let [fate] = &fates.streams[..] else {
            panic!("{fates:?}")
        };
        assert_eq!(fate.delivered, Tally::default(), "{committed} fragments");
        assert_eq!(
            fate.not_delivered,
            [Undelivered {
                payload: payload.clone(),
                message: true
            }]
        );
    }
}

#[test]
fn a_byte_stream_counts_bytes() {
    let [mut client, mut server] = pair();
    client.open();
    client.pass(&mut server, 1, 20_000);
    let mut bytes = Bytes::from(std::vec![7; 40_000]);
    client
        .streams
        .write(client.mine[0], &mut bytes)
        .expect("because there is room");
    client.pass(&mut server, 2, 20_000);
    let fates = client.streams.fates(&mut client.outbox, Some(2), Queued::HandedBack);
    let [fate] = &fates.streams[..] else {
        panic!("{fates:?}")
    };
    assert_eq!(
        fate.delivered,
        Tally {
            messages: 0,
            bytes: 16_000
        }
    );
    assert_eq!(
        fate.not_delivered.iter().map(|u| u.payload.len()).sum::<usize>(),
        24_000
    );
    assert!(fate.not_delivered.iter().all(|u| !u.message));
}

#[test]
fn a_stream_delivered_whole_and_closed_is_not_listed() {
    let [mut client, mut server] = pair();
    client.open();
    client.send(0, 10, true);
    client.finish(0);
    client.pass(&mut server, 9, 9_000);
    client.ack();
    assert_eq!(
        client
            .streams
            .fates(&mut client.outbox, None, Queued::HandedBack)
            .streams,
        []
    );
}

/// Kills `gathered_forgotten`.
#[test]
fn small_writes_that_were_never_sent_come_back() {
    let [mut client, _] = pair();
    client.open();
    let id = client.mine[0];
    for text in [&b"one "[..], b"two "] {
        let taken = client.streams.write(id, &mut Bytes::from_static(text));
        assert_eq!(taken, Ok(4));
    }
    let fates = client.streams.fates(&mut client.outbox, None, Queued::HandedBack);
    let [fate] = &fates.streams[..] else {
        panic!("{fates:?}")
    };
    let payload = Bytes::from_static(b"one two ");
    assert_eq!(
        fate.not_delivered,
        [Undelivered {
            payload,
            message: false
        }]
    );
}
