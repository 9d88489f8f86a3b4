//! The rules of PROTOCOL.md, "Which bytes go where after an attach", each with the bug that it keeps away.

use super::*;
use crate::event::{Closer, Ended};
use crate::server::Incoming;

/// A RESUME on its way to the session's owner.
pub(super) fn resume(pair: &mut Pair) -> (Epoch, Incoming) {
    let epoch = pair
        .client
        .attach(pair.now, Carrier::ordered())
        .expect("because a connection is wanted");
    let connection = pair.registry.connection_accepted(pair.now, Carrier::ordered());
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
    match pair
        .registry
        .first_packet(pair.now, connection, BytesMut::from(&packet[..]))
    {
        Route::Resume { incoming, .. } => (epoch, incoming),
        _ => panic!("not a resume"),
    }
}

/// A planned swap of a client whose last message on the old connection is still under way: the stream,
/// the late packet, and the old connection.
pub(super) fn swap_with_a_gap(pair: &mut Pair) -> (StreamId, Vec<u8>, (Epoch, Epoch)) {
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.settle();
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"late "))
        .expect("because there is room");
    let old = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    let mut late = Vec::new();
    assert!(pair.client.poll_transmit(now, old.0, &mut late));
    pair.held = Some(old.0);
    pair.dial();
    (stream, late, old)
}

pub(super) fn cut_old(pair: &mut Pair, old: (Epoch, Epoch)) {
    let now = pair.now;
    pair.client.detach(now, old.0, Cause::Network);
    pair.server().detach(now, old.1, Cause::Network);
    pair.links.retain(|(ours, _)| *ours != old.0);
    pair.settle();
}

/// Kills `candidate_secret_dropped`.
// PROTOCOL R10.4
#[test]
fn a_resume_whose_confirmation_was_lost_locks_nobody_out() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    pair.confirm_lost = true;
    pair.dial();
    pair.cut();
    pair.confirm_lost = false;
    pair.dial();
    assert_eq!(pair.server().state(), SessionState::Attached);
}

/// Kills `old_secret_deleted`.
// PROTOCOL R10.4
#[test]
fn a_resume_whose_answer_was_lost_locks_nobody_out() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    let now = pair.now;
    let (ours, incoming) = resume(&mut pair);
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    pair.client.detach(now, ours, Cause::Network);
    pair.server().detach(now, theirs, Cause::Network);
    pair.dial();
    assert_eq!(pair.server().state(), SessionState::Attached);
}

/// Kills `no_resync`.
// PROTOCOL R10.14, R10.16
#[test]
fn what_the_old_connection_took_with_it_is_asked_for() {
    let mut pair = Pair::new();
    let (stream, _, old) = swap_with_a_gap(&mut pair);
    let now = pair.now;
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"soon"))
        .expect("because there is room");
    pair.settle();
    assert!(pair.server().stats().inbox_bytes > 0);
    cut_old(&mut pair, old);
    pair.server().accept(now).expect("because it was opened");
    assert_eq!(payload(pair.server(), now, stream), b"late soon");
    assert_eq!(pair.client.inspect().redundant, 0);
}

/// Kills `stale_judged`.
// PROTOCOL R10.19
#[test]
fn an_acknowledgement_may_overtake_the_position_of_a_live_end() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .server()
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    let (ours, incoming) = resume(&mut pair);
    // Stated is what came before this; acknowledged, over the old connection, is this too.
    pair.server()
        .stream(stream)
        .send(now, Bytes::from_static(b"now"))
        .expect("because there is room");
    pair.settle();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    let now = pair.now;
    assert_eq!(pair.server().inspect().acked, pair.server().inspect().next);
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    pair.links.push((ours, Some(theirs)));
    pair.settle();
    assert_eq!(pair.server().state(), SessionState::Attached);
    assert_eq!(pair.client.inspect().links, [false, true, false]);
}

/// Kills `inbox_bound_lifted`.
// PROTOCOL R10.17
#[test]
fn the_inbox_is_not_overrun_when_the_old_connection_goes() {
    let mut pair = Pair::with(|_, server| server.inbox_limit = 65_536);
    let (stream, late, old) = swap_with_a_gap(&mut pair);
    let now = pair.now;
    let chunk = Bytes::from(alloc::vec![1; 15_000]);
    for round in 0..2 {
        for _ in 0..4 {
            pair.client
                .stream(stream)
                .send(now, chunk.clone())
                .expect("because there is room");
        }
        pair.settle();
        if round == 0 {
            pair.client.detach(now, old.0, Cause::Network);
        }
    }
    drop(late);
    cut_old(&mut pair, old);
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.server().accept(now).expect("because it was opened");
    assert_eq!(payload(pair.server(), now, stream).len(), 5 + 8 * 15_000);
}

/// Kills `third_connection`.
// PROTOCOL R10.18
#[test]
fn a_further_swap_waits_until_the_one_before_is_settled() {
    let mut pair = Pair::new();
    let (_, late, old) = swap_with_a_gap(&mut pair);
    let now = pair.now;
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    assert_eq!(pair.client.wanted_connection(), None);
    pair.server()
        .handle_input(now, old.1, BytesMut::from(&late[..]))
        .expect("because it is honest");
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    assert!(pair.client.wanted_connection().is_some());
}

/// Kills `from_with_data_only`.
// PROTOCOL R10.13
#[test]
fn an_idle_swap_settles() {
    let mut pair = Pair::new();
    pair.dial();
    pair.client.migrate(pair.now, Duration::from_secs(1), Bytes::new());
    pair.dial();
    assert_eq!(pair.client.inspect().links, [false, true, false]);
    assert_eq!(pair.server().inspect().links, [false, true, false]);
}

/// Kills `close_ahead_dropped`.
// PROTOCOL R8.2
#[test]
fn a_close_counts_wherever_it_lies() {
    let mut pair = Pair::new();
    swap_with_a_gap(&mut pair);
    let now = pair.now;
    pair.client.close(now, 1, Bytes::new()).expect("because the code fits");
    pair.settle();
    assert_eq!(pair.server().state(), SessionState::Attached, "it lies above a gap");
    pair.server()
        .close(now, 2, Bytes::new())
        .expect("because the code fits");
    pair.settle();
    for session in [pair.server.as_mut().expect("because dialled"), &mut pair.client] {
        let last = events(session).pop();
        assert!(
            matches!(
                &last,
                Some(Event::Ended(Ended {
                    reason: EndReason::Closed { by: Closer::Both, .. },
                    ..
                }))
            ),
            "{last:?}"
        );
    }
}

/// Kills `backoff_forgotten`.
#[test]
fn a_connection_that_dies_at_once_does_not_reset_the_backoff() {
    let mut pair = Pair::new();
    pair.dial();
    let mut longest = Duration::ZERO;
    for _ in 0..12 {
        pair.cut();
        let intent = pair.client.wanted_connection().expect("because it was cut");
        longest = longest.max(intent.not_before.saturating_since(pair.now));
        pair.now = intent.not_before;
        pair.dial();
    }
    assert!(longest > Duration::from_millis(100), "{longest:?}");
}

/// Kills `fates_guessed`.
#[test]
fn what_nobody_can_know_is_unknown() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"?"))
        .expect("because there is room");
    let epoch = pair.links[0].0;
    assert!(pair.client.poll_transmit(now, epoch, &mut Vec::new()));
    pair.client.abort(now);
    match events(&mut pair.client).pop() {
        Some(Event::Ended(ended)) => assert_eq!(ended.fates.streams[0].unknown.messages, 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_close_of_the_peer_that_was_held_is_announced_by_a_deadline_once_it_counts() {
    let mut pair = Pair::new();
    let (_, late, _) = swap_with_a_gap(&mut pair);
    let now = pair.now;
    // The client's CLOSE lies behind a gap: it counts once the server has closed, too.
    pair.client.close(now, 1, Bytes::new()).expect("because the code fits");
    pair.settle();
    events(pair.server());
    let theirs = pair
        .links
        .last()
        .and_then(|(_, theirs)| *theirs)
        .expect("because it is attached");
    pair.server()
        .close(now, 2, Bytes::new())
        .expect("because the code fits");
    events(pair.server());
    let mut packet = Vec::new();
    assert!(
        pair.server().poll_transmit(now, theirs, &mut packet),
        "CLOSE, and CLOSED for the client's"
    );
    assert_eq!(events(pair.server()), [], "packing tells nobody anything");
    assert_eq!(pair.server().poll_timeout(), Some(now));
    pair.server().handle_timeout(now);
    assert_eq!(events(pair.server()), [Event::Closing { by: Closer::Peer }]);
    assert!(pair.server().poll_timeout() > Some(now));
    drop(late);
}
