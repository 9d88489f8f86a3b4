//! A peer that says more than can be kept.

use super::*;
use crate::wire::FrameWriter;
use crate::wire::frame::{Data, Frame, Open};

/// Attached, with a client that is not durable, and so says at once what it has to say.
fn with_durable_server(adjust: impl FnOnce(&mut SessionConfig)) -> Durable {
    let mut durable = Durable {
        pair: Pair::with(|_, server| {
            server.durable = Some(at_rest());
            adjust(server);
        }),
        client: Disk::default(),
        server: Disk::default(),
    };
    durable.dial();
    durable
}

/// Of credit, resets and stops there is no end, so that a peer could fill the memory of one whose store does not answer.
// PROTOCOL R17.12
#[test]
fn what_no_credit_bounds_is_bounded_while_the_store_does_not_answer() {
    let mut durable = with_durable_server(|_| {});
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    let (ours, theirs) = durable.connection();
    let kept = durable.pair.server().ledger.expected();
    let mut stops = 0;
    while durable.pair.server().is_wanted(theirs) {
        let mut plaintext = Vec::new();
        let mut writer = FrameWriter::new(&mut plaintext);
        (0..1_000).for_each(|code| writer.push(&Frame::Stop { stream, code }));
        writer.finish();
        let packet = seal(&mut durable.pair.client, ours, &plaintext);
        let taken = durable
            .pair
            .server()
            .handle_input(now, theirs, BytesMut::from(&packet[..]));
        assert_eq!(taken, Ok(()));
        stops += 1_000;
        assert!(stops < 100_000, "it takes everything");
    }
    assert!(stops > 3_000, "it gives up soon");
    let server = durable.pair.server();
    assert_eq!((server.end_reason(), server.ledger.expected()), (None, kept + stops));
    // What was taken is kept, as ever; the connection that comes next is answered once it is.
    assert!(durable.server.keep(durable.pair.server(), now));
    assert!(!durable.pair.server().ledger.is_overrun());
    durable.restart_server();
    assert_eq!(durable.pair.server().ledger.expected(), kept + stops);
}

// PROTOCOL R17.12
/// What was granted of is discarded, and granted again without being kept: a peer that resets what it sends never runs out of it.
#[test]
fn what_is_reset_is_bounded_while_the_store_does_not_answer() {
    const WINDOW: u64 = 64 << 10;
    let mut durable = with_durable_server(|session| {
        session.session_window = WINDOW;
        session.max_session_window = WINDOW;
    });
    let now = durable.pair.now;
    let (ours, theirs) = durable.connection();
    let mut streams = 0;
    while durable.pair.server().is_wanted(theirs) {
        let stream = StreamId(1 + 4 * streams / 2);
        let opening = Frame::Open(Open {
            stream,
            priority: 0,
            fragment_size: 16_000,
            label: Bytes::new(),
        });
        let data = Frame::Data(Data {
            stream,
            payload: Bytes::from_static(&[7; 16_000]),
            message_end: false,
            stream_end: false,
        });
        let mut plaintext = Vec::new();
        let mut writer = FrameWriter::new(&mut plaintext);
        [opening, data, Frame::Reset { stream, code: 0 }]
            .iter()
            .for_each(|frame| writer.push(frame));
        writer.finish();
        let packet = seal(&mut durable.pair.client, ours, &plaintext);
        let server = durable.pair.server();
        assert_eq!(server.handle_input(now, theirs, BytesMut::from(&packet[..])), Ok(()));
        let mut packet = Vec::new();
        while server.poll_transmit(now, theirs, &mut packet) {}
        streams += 1;
        assert!(streams < 200, "it takes everything");
    }
    assert!(streams * 16_000 > WINDOW);
    assert_eq!(durable.pair.server().end_reason(), None);
}

// PROTOCOL R17.12
/// Behind this end's CLOSE the peer's frames count and mean nothing, so that nothing of them is kept either.
#[test]
fn what_comes_behind_a_close_is_not_kept() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    let server = durable.pair.server();
    server.close(now, 3, Bytes::new()).expect("because the code is small");
    let (ours, theirs) = durable.connection();
    let mut packet = Vec::new();
    while durable.pair.server().poll_transmit(now, theirs, &mut packet) {}
    durable.server.keep(durable.pair.server(), now);
    send(&mut durable.pair.client, now, stream, alloc::vec![7; 60_000]);
    let before = durable.pair.server().ledger.expected();
    // What is committed goes out once that is kept.
    for _ in 0..8 {
        durable.client.keep(&mut durable.pair.client, now);
        durable.pair.lift();
        let mut packet = Vec::new();
        while durable.pair.client.poll_transmit(now, ours, &mut packet) {
            let server = durable.pair.server();
            assert_eq!(server.handle_input(now, theirs, BytesMut::from(&packet[..])), Ok(()));
            packet.clear();
        }
    }
    let server = durable.pair.server();
    assert!(server.ledger.expected() > before + 3);
    let record = server.poll_record().expect("because the position is kept");
    assert!(record.bytes.len() < 1_000, "{}", record.bytes.len());
    durable.server.records.push(record);
    let expected = server.ledger.expected();
    durable.restart_server();
    assert_eq!(durable.pair.server().ledger.expected(), expected);
}
