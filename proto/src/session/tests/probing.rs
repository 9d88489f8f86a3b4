//! Probes that the host asks for, changes of the network, and packets that take long to cross.

use super::swaps::{cut_old, swap_with_a_gap};
use super::*;
use crate::reconnect::IntentKind;

/// A session whose round trip is known to be `rtt`.
fn dialled_over(rtt: Duration) -> Pair {
    let mut pair = Pair::new();
    pair.dial();
    let current = pair
        .client
        .connections
        .current
        .as_mut()
        .expect("because it is attached");
    current.rtt.sample(rtt);
    pair
}

const RTT: Duration = Duration::from_millis(100);

/// Nothing arrives any more: the client finds that within three seconds.
fn wait_for_the_verdict(pair: &mut Pair) {
    while pair.client.state() == SessionState::Attached {
        let due = pair.client.poll_timeout().expect("because it asks");
        assert!(due <= pair.now + Duration::from_secs(3), "{due:?}");
        pair.client.handle_timeout(due);
    }
}

fn probed(session: &mut Session) -> Vec<Option<Duration>> {
    let events = core::iter::from_fn(|| session.poll_event());
    events
        .filter_map(|event| match event {
            Event::Probed { round_trip } => Some(round_trip),
            _ => None,
        })
        .collect()
}

#[test]
fn a_probe_is_answered() {
    let mut pair = dialled_over(RTT);
    assert!(pair.client.probe(pair.now));
    assert!(probed(&mut pair.client).is_empty());
    pair.settle();
    assert_eq!(probed(&mut pair.client), [Some(Duration::ZERO)]);
    pair.sleep(Duration::from_secs(5));
    assert_eq!(pair.client.state(), SessionState::Attached);
    assert!(probed(&mut pair.client).is_empty(), "once");
}

#[test]
fn a_probe_that_nobody_answers_ends_the_connection_after_four_round_trips() {
    let mut pair = dialled_over(RTT);
    assert!(pair.client.probe(pair.now));
    let srtt = pair.client.stats().srtt.expect("because it was measured");
    let due = pair.now + (srtt * 4).max(Duration::from_millis(250));
    assert_eq!(pair.client.poll_timeout(), Some(due));
    pair.client.handle_timeout(due);
    assert_eq!(pair.client.state(), SessionState::Detached);
    assert_eq!(probed(&mut pair.client), [None]);
    let intent = pair.client.wanted_connection().expect("because it was lost");
    assert_eq!(
        (intent.kind, intent.cause),
        (IntentKind::Resume, Some(Cause::Heartbeat))
    );
}

#[test]
fn without_a_connection_there_is_nothing_to_probe() {
    let mut pair = dialled_over(RTT);
    pair.client.probe(pair.now);
    pair.cut();
    assert_eq!(probed(&mut pair.client), [None], "it was lost");
    assert!(!pair.client.probe(pair.now));
    assert!(probed(&mut pair.client).is_empty());
    pair.client.abort(pair.now);
    assert!(!pair.client.probe(pair.now));
}

#[test]
fn a_session_that_ends_owes_no_verdict() {
    let mut pair = dialled_over(RTT);
    pair.client.probe(pair.now);
    pair.client.abort(pair.now);
    assert_eq!(probed(&mut pair.client), [None]);
}

#[test]
fn an_attach_answers_a_probe() {
    let mut pair = dialled_over(RTT);
    let now = pair.now;
    pair.held = Some(pair.links[0].0);
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    pair.client.probe(now);
    pair.dial();
    assert_eq!(probed(&mut pair.client), [Some(Duration::ZERO)]);
}

#[test]
fn a_network_that_changed_costs_one_round_trip_and_a_half_before_another_connection_is_wanted() {
    let mut pair = dialled_over(RTT);
    let srtt = pair.client.stats().srtt.expect("because it was measured");
    let now = pair.now;
    pair.client.reconnect().network_changed(now);
    assert!(pair.client.wanted_connection().is_none());
    let doubtful = now + (srtt * 4).max(Duration::from_millis(250)) * 3 / 8;
    assert_eq!(pair.client.poll_timeout(), Some(doubtful));
    pair.client.handle_timeout(doubtful);
    let intent = pair.client.wanted_connection().expect("because nobody answers");
    assert_eq!(intent.kind, IntentKind::Migrate);
    assert_eq!(pair.client.state(), SessionState::Attached, "it may still answer");
    assert!(probed(&mut pair.client).is_empty(), "nobody asked for a verdict");
}

#[test]
fn a_network_that_changed_costs_nothing_where_the_peer_answers() {
    let mut pair = dialled_over(RTT);
    pair.client.reconnect().network_changed(pair.now);
    pair.settle();
    pair.sleep(Duration::from_secs(3));
    assert!(pair.client.wanted_connection().is_none());
    assert_eq!(pair.client.stats().attaches, 1);
}

#[test]
fn a_network_that_changed_hurries_an_attempt_that_waits() {
    let mut pair = dialled_over(RTT);
    pair.cut();
    let now = pair.now;
    assert!(pair.client.wanted_connection().expect("because it was cut").not_before > now);
    pair.client.reconnect().network_changed(now);
    assert_eq!(
        pair.client.wanted_connection().expect("because it was cut").not_before,
        now
    );
}

/// A planned swap on a line that answers nothing: what the host dials for it brings the session back.
#[test]
fn a_planned_swap_on_a_dead_line_becomes_an_unplanned_one() {
    let mut pair = dialled_over(RTT);
    let now = pair.now;
    pair.held = Some(pair.links[0].0);
    pair.client.migrate(now, Duration::from_secs(10), Bytes::new());
    let planned = pair.client.wanted_connection().expect("because a swap was asked for");
    assert_eq!(planned.kind, IntentKind::Migrate);
    let due = pair.client.poll_timeout().expect("because it asks");
    assert!(due <= now + Duration::from_secs(3), "{due:?}");
    pair.client.handle_timeout(due);
    assert_eq!(pair.client.state(), SessionState::Detached);
    let intent = pair.client.wanted_connection().expect("because the dial goes on");
    assert_eq!((intent.kind, intent.attempt), (IntentKind::Resume, planned.attempt));
    pair.now = due;
    pair.dial();
    let swap = events(&mut pair.client)
        .into_iter()
        .rev()
        .find_map(|event| match event {
            Event::Attached { swap, .. } => Some(swap),
            _ => None,
        });
    assert_eq!(swap, Some(Swap::Unplanned));
}

/// What a swap waits for (the one before it, an acknowledgement) may be lost with the line.
#[test]
fn a_swap_that_has_to_wait_does_not_wait_for_a_dead_line() {
    let mut pair = dialled_over(RTT);
    let now = pair.now;
    let stream = opened(&mut pair);
    swap(&mut pair);
    pair.held = Some(pair.links.last().expect("because it swapped").0);
    send(&mut pair.client, now, stream, alloc::vec![1; 200_000]);
    pair.client.migrate(now, Duration::from_secs(10), Bytes::new());
    wait_for_the_verdict(&mut pair);
    assert!(pair.client.wanted_connection().is_some());
}

fn swap(pair: &mut Pair) {
    pair.client.migrate(pair.now, Duration::from_secs(1), Bytes::new());
    pair.dial();
}

/// Less than `drain_timeout`: the receiver that misses something asks on the old connection.
// PROTOCOL R7.9
#[test]
fn what_a_dead_line_took_with_it_is_asked_for_after_four_round_trips() {
    let mut pair = Pair::new();
    let (stream, _, _) = swap_with_a_gap(&mut pair);
    let now = pair.now;
    send(&mut pair.client, now, stream, Bytes::from_static(b"soon"));
    pair.settle();
    assert!(
        pair.server().inspect().links[2],
        "what it misses may come on the old connection"
    );
    let mut waited = Duration::ZERO;
    while pair.server().inspect().links[2] {
        waited += Duration::from_millis(50);
        assert!(waited <= Duration::from_secs(3), "no answer, and no verdict");
        pair.sleep(Duration::from_millis(50));
        pair.settle();
    }
    let now = pair.now;
    pair.server().accept(now).expect("because it was opened");
    assert_eq!(payload(pair.server(), now, stream), b"late soon");
}

/// However much is to be sent again, the server has the confirmation first, in a packet that any line brings soon.
// PROTOCOL R10.3
#[test]
fn a_resume_is_confirmed_by_a_short_packet() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = opened(&mut pair);
    pair.cut();
    for payload in [alloc::vec![1; 100_000], alloc::vec![2; 1]] {
        send(&mut pair.client, now, stream, payload);
    }
    pair.confirm_lost = true;
    pair.dial();
    let ours = pair.links.last().expect("because it was dialled").0;
    let mut lengths = Vec::new();
    let mut packet = Vec::new();
    while pair.client.poll_transmit(pair.now, ours, &mut packet) {
        lengths.push(packet.len());
        packet.clear();
    }
    assert!(lengths[0] <= 256, "{lengths:?}");
    assert!(lengths.len() > 1 && lengths[1] > 10_000, "{lengths:?}");
}

/// Bytes of its packet are no silence: of a candidate, and of the session that has no other yet.
// PROTOCOL R7.10
#[test]
fn a_candidate_whose_packet_takes_long_is_waited_for() {
    let mut pair = Pair::new();
    pair.confirm_lost = true;
    pair.dial();
    let theirs = pair.links[0].1.expect("because it is on its way");
    for _ in 0..40 {
        pair.now = pair.now + Duration::from_secs(1);
        let now = pair.now;
        pair.server().handle_partial(now, theirs, 37);
        pair.server().handle_timeout(now);
        assert!(pair.server().is_wanted(theirs));
    }
    let now = pair.now + Duration::from_secs(11);
    pair.server().handle_timeout(now);
    assert!(!pair.server().is_wanted(theirs), "nothing comes any more");
}

/// A connection that carried nothing is no success, however long it was up: the backoff goes on from where it was.
#[test]
fn a_connection_that_brought_no_acknowledgement_does_not_end_the_backoff() {
    let mut waits = Vec::new();
    for acknowledges in [false, true] {
        let mut pair = Pair::new();
        pair.dial();
        let stream = opened(&mut pair);
        for _ in 0..6 {
            pair.cut();
            let now = pair.now;
            send(&mut pair.client, now, stream, alloc::vec![1; 20_000]);
            pair.now = pair
                .client
                .wanted_connection()
                .expect("because it was cut")
                .not_before
                .max(now);
            pair.confirm_lost = !acknowledges;
            pair.dial();
            if !acknowledges {
                let ours = pair.links.last().expect("because it was dialled").0;
                while pair.client.poll_transmit(pair.now, ours, &mut Vec::new()) {}
            }
            for _ in 0..11 {
                pair.now = pair.now + Duration::from_secs(1);
                let current = pair.client.connections.current.as_mut();
                current.expect("because it is up").liveness.on_input(pair.now, false);
                pair.client.handle_timeout(pair.now);
            }
        }
        pair.cut();
        let intent = pair.client.wanted_connection().expect("because it was cut");
        waits.push(intent.not_before.saturating_since(pair.now));
    }
    assert!(waits[0] > waits[1] * 4, "{waits:?}");
}

/// A round trip in which this host slept says nothing of the line, and must not make a dead one be waited for.
#[test]
fn the_sleep_of_the_host_is_no_round_trip() {
    for timer_first in [false, true] {
        let mut pair = dialled_over(RTT);
        let before = pair.client.stats().srtt;
        let now = pair.now;
        queue(&mut pair.client, now, Bytes::from_static(b"good night"));
        let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
        let mut packet = Vec::new();
        assert!(pair.client.poll_transmit(now, ours, &mut packet));
        let answered = now + Duration::from_millis(100);
        pair.server()
            .handle_input(answered, theirs, BytesMut::from(&packet[..]))
            .expect("because it is honest");
        pair.server().handle_timeout(answered + Duration::from_millis(50));
        packet.clear();
        assert!(
            pair.server()
                .poll_transmit(answered + Duration::from_millis(50), theirs, &mut packet)
        );
        let woken = now + Duration::from_secs(8 * 3_600);
        if timer_first {
            pair.client.handle_timeout(woken);
        }
        pair.client
            .handle_input(woken, ours, BytesMut::from(&packet[..]))
            .expect("because it is honest");
        assert_eq!(pair.client.stats().srtt, before);
    }
}

/// What the server said of where to go holds, whatever the network does meanwhile: also where a swap before that has to be over first.
#[test]
fn a_change_of_the_network_does_not_send_the_client_elsewhere() {
    for waits in [false, true] {
        let mut pair = Pair::new();
        let old = match waits {
            true => Some(swap_with_a_gap(&mut pair).2),
            false => {
                pair.dial();
                None
            }
        };
        let now = pair.now;
        let there = Bytes::from_static(b"another node");
        pair.server().migrate(now, Duration::from_secs(5), there.clone());
        pair.settle();
        assert_eq!(pair.client.wanted_connection().is_none(), waits);
        pair.client.reconnect().network_changed(now);
        let doubtful = now + Duration::from_millis(100);
        pair.client.handle_timeout(doubtful);
        if let Some(old) = old {
            pair.now = doubtful;
            cut_old(&mut pair, old);
            pair.sleep(Duration::from_millis(25));
            pair.settle();
        }
        let intent = pair.client.wanted_connection().expect("because it was asked to go");
        assert_eq!((intent.kind, intent.alternate), (IntentKind::Migrate, there));
    }
}

/// A server that asks its client to go, on a line that dies then.
#[test]
fn a_swap_that_the_server_asked_for_does_not_wait_for_a_dead_line() {
    let mut pair = dialled_over(RTT);
    let now = pair.now;
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    pair.server().migrate(now, Duration::from_secs(60), Bytes::new());
    let mut packet = Vec::new();
    assert!(pair.server().poll_transmit(now, theirs, &mut packet));
    pair.client
        .handle_input(now, ours, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    wait_for_the_verdict(&mut pair);
    let intent = pair.client.wanted_connection().expect("because the dial goes on");
    assert_eq!(intent.kind, IntentKind::Resume);
}
