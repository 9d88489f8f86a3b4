//! What may be on the line, as a session sees it.

use super::swaps::{cut_old, swap_with_a_gap};
use super::*;
use crate::config::WindowBudget;
use crate::liveness::Health;
use crate::wire::frame::Frame;

fn narrow() -> Pair {
    let mut pair = Pair::new();
    pair.narrow = true;
    pair
}

fn packets(session: &mut Session, now: Instant, epoch: Epoch) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    while session.poll_transmit(now, epoch, &mut packet) {
        packets.push(core::mem::take(&mut packet));
    }
    packets
}

fn fill(pair: &mut Pair, stream: StreamId) {
    let (now, message) = (pair.now, Bytes::from(alloc::vec![7; 10_000]));
    while pair.client.stream(stream).send(now, message.clone()).is_ok() {}
}

/// A client that has sent what its line should hold, and has more: the two, its epoch, and what it sent.
fn filled() -> (Pair, Epoch, Vec<Vec<u8>>) {
    let mut pair = narrow();
    pair.dial();
    let now = pair.now;
    let stream = queue(&mut pair.client, now, Bytes::new());
    fill(&mut pair, stream);
    let ours = pair.links[0].0;
    let sent = packets(&mut pair.client, now, ours);
    (pair, ours, sent)
}

/// The server hears what the client sent.
fn deliver(pair: &mut Pair, sent: Vec<Vec<u8>>) {
    let (now, theirs) = (pair.now, pair.links[0].1.expect("because it is attached"));
    for packet in sent {
        let heard = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
        heard.expect("because it is honest");
    }
}

/// Kills `line_unbounded`.
// PROTOCOL R6.9
#[test]
fn no_more_is_sent_than_the_line_should_hold_and_the_rest_with_its_acknowledgement() {
    let (mut pair, ours, sent) = filled();
    let theirs = pair.links[0].1.expect("because it is attached");
    let stats = pair.client.stats();
    assert!(
        stats.in_flight >= stats.in_flight_limit && stats.in_flight < stats.in_flight_limit + 20_000,
        "{stats:?}"
    );
    assert!(!pair.client.wants_transmit(), "it waits for an acknowledgement");
    pair.now = pair.now + Duration::from_millis(100);
    deliver(&mut pair, sent);
    pair.sleep(Duration::from_millis(25));
    let now = pair.now;
    for packet in packets(pair.server(), now, theirs) {
        let heard = pair.client.handle_input(now, ours, BytesMut::from(&packet[..]));
        heard.expect("because it is honest");
    }
    assert_eq!(pair.client.stats().in_flight, 0);
    assert!(pair.client.stats().delivery_rate.is_some() && pair.client.wants_transmit());
}

/// Kills `urgent_waits`.
#[test]
fn what_is_more_urgent_goes_though_the_line_is_full() {
    let (mut pair, ours, _) = filled();
    let now = pair.now;
    let options = StreamOptions::default().with_priority(1);
    let urgent = pair.client.open(now, options).expect("because there is room");
    assert_eq!(packets(&mut pair.client, now, ours).len(), 1, "OPEN does not wait");
    assert!(!pair.client.wants_transmit());
    let sent = pair.client.stream(urgent).send(now, Bytes::from_static(b"key"));
    sent.expect("because there is room");
    assert!(pair.client.wants_transmit());
    let packets = packets(&mut pair.client, now, ours);
    assert_eq!(packets.len(), 1);
    assert!(
        packets[0].len() < 100,
        "nothing else goes with it: {}",
        packets[0].len()
    );
}

/// Kills `estimate_outlives_connection`.
#[test]
fn a_new_connection_begins_with_nothing_known_and_nothing_on_its_line() {
    let (mut pair, ..) = filled();
    assert!(pair.client.stats().in_flight > 0);
    pair.cut();
    pair.links.clear();
    pair.now = pair.now + Duration::from_secs(10);
    pair.confirm_lost = true;
    pair.dial();
    let stats = pair.client.stats();
    assert_eq!(
        (stats.attaches, stats.in_flight, stats.delivery_rate),
        (2, 0, None),
        "{stats:?}"
    );

    // A planned swap, too, though the connection before it still has something on its line.
    let mut pair = narrow();
    let _late = swap_with_a_gap(&mut pair);
    let stats = pair.client.stats();
    assert_eq!((stats.in_flight, stats.delivery_rate), (0, None), "{stats:?}");
}

/// Kills `resync_waits`.
#[test]
fn what_is_missing_after_a_resync_goes_though_the_line_is_full() {
    let mut pair = narrow();
    let (stream, _, old) = swap_with_a_gap(&mut pair);
    fill(&mut pair, stream);
    pair.settle();
    let stats = pair.client.stats();
    assert!(stats.in_flight >= stats.in_flight_limit, "{stats:?}");
    cut_old(&mut pair, old);
    for _ in 0..40 {
        pair.sleep(Duration::from_millis(25));
        pair.settle();
    }
    assert_eq!(pair.client.stats().in_flight, 0, "all of it is acknowledged");
}

/// Kills `in_flight_kept_after_swap`.
#[test]
fn what_is_acknowledged_on_the_connection_before_is_on_the_line_no_more() {
    let mut pair = narrow();
    let (stream, late, old) = swap_with_a_gap(&mut pair);
    let now = pair.now;
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"on the new one"))
        .expect("because there is room");
    let newest = pair.links.last().map(|(ours, _)| *ours).expect("because dialled");
    let _ = packets(&mut pair.client, now, newest);
    assert!(pair.client.stats().in_flight > 0);
    drop(late);
    // A peer may say on the old connection that it has what the new one brought.
    let position = pair.client.inspect().next;
    let mut ack = alloc::vec![crate::wire::packet::PacketType::Sealed.byte()];
    let mut writer = crate::wire::FrameWriter::new(&mut ack);
    writer.push(&Frame::Ack { position });
    writer.finish();
    let draining = &mut pair.server().connections.draining;
    let keys = &mut draining.as_mut().expect("because the swap is not over").connection.keys;
    assert!(keys.sealer.seal(&mut ack, 1).is_ok());
    let heard = pair.client.handle_input(now, old.0, BytesMut::from(&ack[..]));
    heard.expect("because it may be so");
    assert_eq!(pair.client.stats().in_flight, 0);
}

/// What both ends have to say, half a tenth of a second each way, acknowledgements included.
fn round_trip(pair: &mut Pair) {
    let leg = Duration::from_millis(50);
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    let sent = packets(&mut pair.client, pair.now, ours);
    pair.sleep(leg);
    deliver(pair, sent);
    pair.sleep(Duration::from_millis(25));
    let now = pair.now;
    let answers = packets(pair.server(), now, theirs);
    pair.sleep(leg);
    for packet in answers {
        let heard = pair.client.handle_input(pair.now, ours, BytesMut::from(&packet[..]));
        heard.expect("because it is honest");
    }
}

/// Kills `starved_unmarked`.
#[test]
fn who_has_little_to_send_learns_nothing_of_the_line() {
    let mut pair = narrow();
    pair.dial();
    let stream = queue(&mut pair.client, pair.now, Bytes::new());
    for _ in 0..20 {
        round_trip(&mut pair);
        let sent = pair.client.stream(stream).send(pair.now, Bytes::from_static(b"key"));
        sent.expect("because there is room");
    }
    let stats = pair.client.stats();
    assert!(stats.in_flight_limit >= 64 << 10, "{stats:?}");
}

/// Kills `packet_size_fixed`.
#[test]
fn packets_are_as_large_as_a_few_milliseconds_of_the_line() {
    let (mut pair, ours, sent) = filled();
    assert!(sent.iter().all(|packet| packet.len() <= (16 << 10) + 300));
    deliver(&mut pair, sent);
    round_trip(&mut pair);
    let rate = pair
        .client
        .stats()
        .delivery_rate
        .expect("because much was acknowledged");
    let most = usize::try_from(rate * 4 / 1_000).expect("because the line is slow") + 100;
    let packets = packets(&mut pair.client, pair.now, ours);
    let sizes: Vec<usize> = packets.iter().map(Vec::len).collect();
    assert!(
        sizes.len() > 1 && sizes.iter().all(|size| *size <= most),
        "{rate} B/s: {sizes:?}"
    );
}

/// Kills `rtt_unlearned` and `ack_without_rtt`.
#[test]
fn the_handshake_tells_the_round_trip_and_acknowledgements_come_by_it() {
    let mut pair = narrow();
    pair.dial();
    assert_eq!(pair.client.stats().srtt, Some(Duration::ZERO));
    assert_eq!(pair.server().stats().srtt, Some(Duration::ZERO));
    let now = pair.now;
    queue(&mut pair.client, now, Bytes::from_static(b"message"));
    let ours = pair.links[0].0;
    let sent = packets(&mut pair.client, now, ours);
    deliver(&mut pair, sent);
    assert_eq!(pair.server().poll_timeout(), Some(now + Duration::from_millis(1)));
}

/// Kills `idle_keeps_windows`.
#[test]
fn a_session_that_falls_idle_gives_back_what_its_peer_was_not_granted() {
    let budget = WindowBudget::new(1 << 30);
    let mut pair = Pair::with(|_, server| {
        server.window_budget = Some(budget.clone());
        server.idle_after = Duration::from_secs(1);
    });
    pair.narrow = true;
    pair.dial();
    let stream = queue(&mut pair.client, pair.now, Bytes::new());
    for _ in 0..60 {
        let current = pair.client.connections.current.as_mut();
        current.expect("because it is attached").flight.lift();
        fill(&mut pair, stream);
        round_trip(&mut pair);
        let now = pair.now;
        while pair.server().accept(now).is_some() {}
        payload(pair.server(), now, stream);
    }
    let busy = budget.granted();
    assert!(busy > 0, "its window has grown");
    // What was read last is not granted anew yet.
    pair.sleep(Duration::from_secs(2));
    assert_eq!(pair.server().reporting.health(), Health::Idle);
    assert!(budget.granted() < busy, "{} of {busy}", budget.granted());
}

/// A host that asks for short fragments, as for a slow line, has short packets from the first on.
#[test]
fn packets_on_an_unknown_line_hold_one_fragment() {
    let mut pair = Pair::with(|client, _| client.fragment_size = 1_000);
    pair.narrow = true;
    pair.dial();
    let stream = queue(&mut pair.client, pair.now, Bytes::new());
    fill(&mut pair, stream);
    let sent = packets(&mut pair.client, pair.now, pair.links[0].0);
    let sizes: Vec<usize> = sent.iter().map(Vec::len).collect();
    assert!(sizes.len() > 30 && sizes.iter().all(|size| *size <= 1_400), "{sizes:?}");
}

/// A stream that asks for short fragments has short packets at both ends, on whatever line; others do not pay for it.
#[test]
fn the_fragments_of_a_stream_shorten_its_packets() {
    let mut pair = Pair::new();
    pair.dial();
    for (fragment, within) in [(1_000, ..=1_400), (4_000, ..=4_400)] {
        let options = StreamOptions::default().with_fragment_size(Some(fragment));
        let stream = pair.client.open(pair.now, options).expect("because there is room");
        fill(&mut pair, stream);
        let sent = packets(&mut pair.client, pair.now, pair.links[0].0);
        let sizes: Vec<usize> = sent.iter().map(Vec::len).collect();
        assert!(
            sizes.len() > 8 && sizes.iter().all(|size| within.contains(size)),
            "{sizes:?}"
        );
        deliver(&mut pair, sent);
        pair.settle();
        let now = pair.now;
        while pair.server().accept(now).is_some() {}
        payload(pair.server(), now, stream);
        pair.settle();
        pair.server()
            .stream(stream)
            .send(now, Bytes::from(alloc::vec![1; 40_000]))
            .expect("because there is room");
        let back = pair.links[0].1.expect("because it is attached");
        let answered = packets(pair.server(), now, back);
        let sizes: Vec<usize> = answered.iter().map(Vec::len).collect();
        assert!(
            sizes.len() > 8 && sizes.iter().all(|size| within.contains(size)),
            "{sizes:?}"
        );
        for packet in answered {
            pair.client
                .handle_input(now, pair.links[0].0, BytesMut::from(&packet[..]))
                .expect("because it is honest");
        }
        pair.settle();
        let stream = queue(&mut pair.client, now, Bytes::from(alloc::vec![1; 40_000]));
        let sent = packets(&mut pair.client, now, pair.links[0].0);
        assert!(sent.iter().any(|packet| packet.len() > 10_000), "of another stream");
        deliver(&mut pair, sent);
        pair.settle();
        payload(pair.server(), now, stream);
        pair.settle();
    }
}
