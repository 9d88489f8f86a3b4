//! How long packets are: the limits that both ends said, and gateways that let no longer ones through.

use alloc::collections::VecDeque;

use super::swaps::resume;
use super::*;

/// How a gateway deals with a packet that is too long for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gateway {
    /// It closes with 1009 towards who sent it.
    Tells,
    /// It closes.
    Closes,
    /// It forwards nothing more, and both ends find out by their heartbeats.
    Swallows,
}

const GATEWAYS: [Gateway; 3] = [Gateway::Tells, Gateway::Closes, Gateway::Swallows];

/// What passed the gateway, and how often it did not.
#[derive(Debug, Default)]
struct Passage {
    losses: usize,
    longest: usize,
}

impl Passage {
    /// Carries packets through a gateway, over one connection after the other, until both ends have nothing more to say.
    fn carry(&mut self, pair: &mut Pair, limit: usize, gateway: Gateway) {
        while let Some(from_client) = self.until_too_long(pair, limit) {
            self.losses += 1;
            assert!(self.losses < 30, "it is sent again for ever: {self:?}");
            let told = match gateway {
                Gateway::Tells => Cause::TooLarge,
                Gateway::Closes => Cause::Network,
                Gateway::Swallows => Cause::Heartbeat,
            };
            for (ours, theirs) in core::mem::take(&mut pair.links) {
                let causes = if from_client {
                    (told, Cause::Network)
                } else {
                    (Cause::Network, told)
                };
                pair.client.detach(pair.now, ours, causes.0);
                let now = pair.now;
                if let Some(theirs) = theirs {
                    pair.server().detach(now, theirs, causes.1);
                }
            }
            redial(pair);
        }
    }

    /// Whether the packet that is too long is the client's; `None`: there is none.
    fn until_too_long(&mut self, pair: &mut Pair, limit: usize) -> Option<bool> {
        let mut idle = 0;
        while idle < 3 {
            let mut moved = false;
            pair.lift();
            for (ours, theirs) in pair.links.clone() {
                let theirs = theirs.expect("because it is attached");
                let now = pair.now;
                for from_client in [true, false] {
                    let mut packet = Vec::new();
                    let packed = if from_client {
                        pair.client.poll_transmit(now, ours, &mut packet)
                    } else {
                        pair.server().poll_transmit(now, theirs, &mut packet)
                    };
                    if !packed {
                        continue;
                    }
                    moved = true;
                    if packet.len() > limit {
                        return Some(from_client);
                    }
                    self.longest = self.longest.max(packet.len());
                    let packet = BytesMut::from(&packet[..]);
                    let heard = if from_client {
                        pair.server().handle_input(now, theirs, packet)
                    } else {
                        pair.client.handle_input(now, ours, packet)
                    };
                    heard.expect("because both are honest");
                }
            }
            // What an acknowledgement waits for.
            idle = if moved { 0 } else { idle + 1 };
            pair.sleep(Duration::from_millis(30));
        }
        None
    }
}

/// The next connection: RESUME was answered, and nothing was read of the answer.
fn redial(pair: &mut Pair) -> (Epoch, Epoch) {
    let wanted = pair.client.wanted_connection().expect("because it lives on");
    pair.now = pair.now.max(wanted.not_before);
    let (ours, incoming) = resume(pair);
    let now = pair.now;
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    pair.links.push((ours, Some(theirs)));
    (ours, theirs)
}

fn limits(session: &mut Session) -> Vec<usize> {
    let told = |event| match event {
        Event::PacketLimit { limit } => Some(limit),
        _ => None,
    };
    events(session).into_iter().filter_map(told).collect()
}

fn message(len: usize) -> Bytes {
    (0..len).map(|n| (n % 251) as u8).collect::<Vec<u8>>().into()
}

/// A pair whose ends cut frames of up to so many bytes.
fn with_fragments(fragment: usize) -> Pair {
    let mut pair = Pair::with(|client, server| {
        client.fragment_size = fragment;
        server.fragment_size = fragment;
    });
    pair.dial();
    pair
}

/// Kills `too_large_is_sent_again`.
// PROTOCOL R6.10
#[test]
fn what_a_gateway_lets_not_through_is_sent_in_shorter_packets() {
    for gateway in GATEWAYS {
        for (limit, most) in [(1_200, 7), (1_499, 7), (4_096, 5), (9_000, 4)] {
            for from_client in [true, false] {
                let mut pair = with_fragments(16_384);
                let (now, sent) = (pair.now, message(90_000));
                let from = if from_client { &mut pair.client } else { pair.server() };
                let stream = queue(from, now, sent.clone());
                let mut passage = Passage::default();
                passage.carry(&mut pair, limit, gateway);
                let case = (gateway, limit, from_client);
                let now = pair.now;
                let (from, to) = match from_client {
                    true => (&mut pair.client, pair.server.as_mut().expect("because dialled")),
                    false => (pair.server.as_mut().expect("because dialled"), &mut pair.client),
                };
                assert!(to.accept(now).is_some());
                assert!(payload(to, now, stream) == sent, "{case:?}");
                assert!(passage.losses <= most, "{case:?}: {passage:?}");
                assert!(passage.longest <= limit && passage.longest * 2 >= limit, "{passage:?}");
                let told = limits(from);
                assert!(told.is_sorted_by(|a, b| a > b), "{told:?}");
                assert_eq!(told.last(), Some(&from.packet_limit()), "{case:?}");
                assert!(limits(to).is_empty(), "{case:?}: it sent nothing long");
                // What was learned is remembered, also when no connection is left.
                let losses = passage.losses;
                pair.cut();
                queue(&mut pair.client, now, message(50_000));
                let _ = queue(pair.server(), now, message(10));
                redial(&mut pair);
                if from_client {
                    passage.carry(&mut pair, limit, gateway);
                    assert_eq!(passage.losses, losses, "{case:?}");
                }
            }
        }
    }
}

/// A client that lost its connection with a long message on the way, of which the server says on the next one that it lacks it: the
/// stream, the message's packet, the old connection's server end, and the new connection.
fn owing(pair: &mut Pair, len: usize) -> (StreamId, Vec<u8>, Epoch, (Epoch, Epoch)) {
    let lost = |pair: &mut Pair, old| pair.client.detach(pair.now, old, Cause::Network);
    owing_after(pair, len, lost)
}

/// The same, where the client comes to another connection as `leave` says.
fn owing_after(
    pair: &mut Pair,
    len: usize,
    leave: impl FnOnce(&mut Pair, Epoch),
) -> (StreamId, Vec<u8>, Epoch, (Epoch, Epoch)) {
    let stream = opened(pair);
    let (now, old) = (pair.now, pair.links[0]);
    send(&mut pair.client, now, stream, message(len));
    let mut late = Vec::new();
    assert!(pair.client.poll_transmit(now, old.0, &mut late) && late.len() > len);
    send(&mut pair.client, now, stream, message(10));
    // It is lost.
    assert!(pair.client.poll_transmit(now, old.0, &mut Vec::new()));
    leave(pair, old.0);
    pair.links.clear();
    let peer = pair.client.identity.peer.as_mut().expect("because it is established");
    peer.parameters.packet_limit = 1_200;
    let (ours, theirs) = redial(pair);
    // The caller decides what travels on it.
    pair.links.clear();
    let now = pair.now;
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, server, theirs, &mut pair.client, ours);
    let old = old.1.expect("because it was attached");
    (stream, late, old, (ours, theirs))
}

/// One packet of the client's.
fn step(pair: &mut Pair, (ours, theirs): (Epoch, Epoch)) {
    let (now, mut packet) = (pair.now, Vec::new());
    assert!(pair.client.poll_transmit(now, ours, &mut packet));
    let heard = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
    heard.expect("because it is honest");
}

/// Kills `parts_outlive_from`, `parts_go_on_elsewhere`.
// PROTOCOL R4.24
#[test]
fn a_frame_that_arrived_elsewhere_is_not_finished_in_parts() {
    let mut pair = with_fragments(64_000);
    let (stream, late, old, new) = owing_after(&mut pair, 50_000, |pair, _| {
        // A swap for which the server is not ready, so that it reads the old connection up to the confirmation.
        let current = pair.server().connections.current.as_mut();
        current.expect("because it is attached").swap.ack_seen = false;
        pair.client.migrate(pair.now, Duration::from_secs(1), Bytes::new());
    });
    // It was on its way when the server said that it lacks it.
    let now = pair.now;
    let heard = pair.server().handle_input(now, old, BytesMut::from(&late[..]));
    heard.expect("because it is honest");
    // What confirms; then a part of what has arrived meanwhile, as the server's acknowledgement says.
    step(&mut pair, new);
    step(&mut pair, new);
    let server = pair.server.as_mut().expect("because dialled");
    assert!(shuttle(now, server, new.1, &mut pair.client, new.0));
    pair.links.push((new.0, Some(new.1)));
    pair.settle();
    assert!(pair.server().accept(now).is_some());
    assert_eq!(
        payload(pair.server(), now, stream),
        [message(50_000), message(10)].concat()
    );
    assert_eq!(pair.server().stats().duplicate_frames, 0);
}

/// Kills `parts_wait_for_headroom`.
#[test]
fn a_frame_in_parts_goes_on_though_the_line_holds_less() {
    let mut pair = with_fragments(64_000);
    let (stream, _, _, new) = owing(&mut pair, 50_000);
    step(&mut pair, new);
    let current = pair.client.connections.current.as_mut();
    current.expect("because it is attached").flight.hold(5_000);
    pair.narrow = true;
    pair.links.push((new.0, Some(new.1)));
    pair.settle();
    let now = pair.now;
    assert!(pair.server().accept(now).is_some());
    assert!(payload(pair.server(), now, stream).starts_with(&message(50_000)));
}

/// Kills `parts_settled_early`. What came before it is acknowledged, and a part of it is not.
#[test]
fn a_part_under_way_waits_for_its_acknowledgement() {
    let mut pair = with_fragments(64_000);
    let (_, _, _, new) = owing(&mut pair, 50_000);
    step(&mut pair, new);
    step(&mut pair, new);
    let now = pair.now;
    let current = pair
        .client
        .connections
        .current
        .as_mut()
        .expect("because it is attached");
    let cursor = current.cursor;
    assert!(current.part_offset > 0 && current.unacked_since.is_some());
    current.on_acked(now, cursor);
    assert!(current.unacked_since.is_some());
    current.on_acked(now, cursor + 1);
    assert!(current.unacked_since.is_none());
}

/// A line of some length that carries everything: what is on it, each way.
#[derive(Default)]
struct LongLine {
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
}

impl LongLine {
    /// A millisecond of it; what arrived on the stream.
    fn step(&mut self, pair: &mut Pair, one_way: Duration, stream: StreamId) -> usize {
        let (ours, theirs) = pair.links[0];
        let theirs = theirs.expect("because it is attached");
        let now = pair.now;
        while self.up.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, packet)) = self.up.pop_front()
        {
            let heard = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
            heard.expect("because it is honest");
        }
        while self.down.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, packet)) = self.down.pop_front()
        {
            let heard = pair.client.handle_input(now, ours, BytesMut::from(&packet[..]));
            heard.expect("because it is honest");
        }
        pair.server().accept(now);
        let arrived = payload(pair.server(), now, stream).len();
        let mut packet = Vec::new();
        while pair.client.poll_transmit(now, ours, &mut packet) {
            self.up.push_back((now + one_way, core::mem::take(&mut packet)));
        }
        while pair.server().poll_transmit(now, theirs, &mut packet) {
            self.down.push_back((now + one_way, core::mem::take(&mut packet)));
        }
        pair.sleep(Duration::from_millis(1));
        arrived
    }
}

fn with_large_windows(adjust: impl Fn(&mut SessionConfig)) -> Pair {
    let mut pair = Pair::with(|client, server| {
        for config in [client, server] {
            (config.stream_window, config.session_window) = (32 << 20, 32 << 20);
            (config.max_stream_window, config.max_session_window) = (1 << 28, 1 << 28);
            adjust(config);
        }
    });
    pair.dial();
    pair
}

/// Kills `short_packets_starve_nobody`. A packet that is short anyhow says nothing of how much there was to send.
#[test]
fn small_messages_in_short_packets_say_nothing_of_the_line() {
    for limit in [1_200, 2_400, 65_535] {
        let mut pair = with_large_windows(|config| config.packet_limit = limit);
        let stream = opened(&mut pair);
        // A connection of whose line nothing is known.
        pair.cut();
        pair.narrow = true;
        redial(&mut pair);
        let (mut line, one_way) = (LongLine::default(), Duration::from_millis(25));
        for ms in 0..3_000 {
            if ms % 97 == 0 {
                let now = pair.now;
                send(&mut pair.client, now, stream, message(600));
            }
            line.step(&mut pair, one_way, stream);
        }
        // Their rate is not the line's: as much may be on it as at first.
        assert_eq!(pair.client.stats().in_flight_limit, 64 << 10, "{limit}");
    }
}

/// Kills `parts_starve`. What is left of a packet behind the rest of one frame does not show that there is no other to send.
#[test]
fn frames_that_go_again_in_parts_are_as_fast_as_others() {
    let took = |fragment: usize| {
        let mut pair = with_large_windows(|config| config.fragment_size = fragment);
        let stream = opened(&mut pair);
        let (now, mut sent) = (pair.now, 0);
        while sent < 8_000_000 && pair.client.stream(stream).send(now, message(64_000)).is_ok() {
            sent += 64_000;
        }
        pair.lift();
        let old = pair.links[0].0;
        while pair.client.poll_transmit(now, old, &mut Vec::new()) {}
        pair.cut();
        pair.narrow = true;
        redial(&mut pair);
        let (mut line, one_way, begun) = (LongLine::default(), Duration::from_millis(50), pair.now);
        let mut arrived = 0;
        while arrived < sent {
            arrived += line.step(&mut pair, one_way, stream);
        }
        pair.now.saturating_since(begun)
    };
    let (short, long) = (took(16_384), took(64_000));
    assert!(long <= short + short / 8, "{long:?} for {short:?}");
}

/// Kills `packet_limit_of_ones_own`.
#[test]
fn both_ends_keep_to_the_limit_that_either_has() {
    for (ours, theirs) in [(1_200, 65_535), (65_535, 1_200), (1_200, 5_000), (1_200, 1_200)] {
        let mut pair = Pair::with(|client, server| {
            (client.packet_limit, server.packet_limit) = (ours, theirs);
        });
        pair.dial();
        let (now, sent) = (pair.now, message(90_000));
        assert_eq!(
            (pair.client.packet_limit(), pair.server().packet_limit()),
            (1_200, 1_200)
        );
        let up = queue(&mut pair.client, now, sent.clone());
        let down = queue(pair.server(), now, sent.clone());
        let close = Bytes::from(alloc::vec![b'x'; 1_024]);
        let elsewhere = Bytes::from(alloc::vec![b'y'; 1_024]);
        pair.server().migrate(now, Duration::from_secs(1), elsewhere);
        let mut passage = Passage::default();
        passage.carry(&mut pair, 1_200, Gateway::Closes);
        assert_eq!(passage.losses, 0);
        let now = pair.now;
        assert!(pair.server().accept(now).is_some() && pair.client.accept(now).is_some());
        assert!(payload(&mut pair.client, now, down) == sent && payload(pair.server(), now, up) == sent);
        pair.server().close(now, 1, close).expect("because the code fits");
        passage.carry(&mut pair, 1_200, Gateway::Closes);
        assert_eq!(passage.losses, 0, "a close with the longest reason fits, too");
    }
}

/// Kills `never_raised`.
#[test]
fn longer_packets_are_tried_again_and_a_new_network_is_new() {
    let mut pair = with_fragments(16_384);
    let now = pair.now;
    let stream = queue(&mut pair.client, now, message(90_000));
    let mut passage = Passage::default();
    passage.carry(&mut pair, 4_096, Gateway::Tells);
    let learned = pair.client.packet_limit();
    assert!(learned <= 4_096);
    limits(&mut pair.client);
    let now = pair.now;
    pair.server().accept(now);
    payload(pair.server(), now, stream);
    pair.sleep(Duration::from_secs(600));
    assert_eq!(pair.client.packet_limit(), learned * 2);
    assert_eq!(limits(&mut pair.client), [learned * 2]);
    let now = pair.now;
    send(&mut pair.client, now, stream, message(90_000));
    let before = passage.losses;
    passage.carry(&mut pair, 4_096, Gateway::Closes);
    let now = pair.now;
    payload(pair.server(), now, stream);
    assert_eq!((passage.losses - before, pair.client.packet_limit()), (1, learned));
    // The gateway is gone, as more shows when it is tried again.
    let mut waited = 0;
    while pair.client.packet_limit() < 16_000 {
        pair.sleep(Duration::from_secs(600));
        waited += 1;
        let now = pair.now;
        send(&mut pair.client, now, stream, message(90_000));
        passage.carry(&mut pair, usize::MAX, Gateway::Closes);
        let now = pair.now;
        payload(pair.server(), now, stream);
    }
    assert!(waited <= 3, "{waited}");
    let mut pair = with_fragments(16_384);
    let now = pair.now;
    queue(&mut pair.client, now, message(90_000));
    passage.carry(&mut pair, 1_200, Gateway::Tells);
    pair.client.reconnect().network_changed(pair.now);
    pair.sleep(Duration::ZERO);
    assert_eq!(pair.client.packet_limit(), 2_400, "more is tried at once");
    // Nothing is told after the end.
    pair.client.abort(pair.now);
    limits(&mut pair.client);
    pair.client.reconnect().network_changed(pair.now);
    pair.sleep(Duration::from_secs(6_000));
    assert_eq!(pair.client.poll_event(), None);
}

/// Kills `displaced_teaches_nothing`. The gateway closes towards the client only, which is back before the server notices.
#[test]
fn who_is_displaced_before_it_notices_learns_as_well() {
    let mut pair = with_fragments(16_384);
    let (now, sent) = (pair.now, message(90_000));
    let stream = queue(pair.server(), now, sent.clone());
    let mut losses = 0;
    loop {
        let passage = &mut Passage::default();
        let Some(from_client) = passage.until_too_long(&mut pair, 4_096) else {
            break;
        };
        assert!(!from_client);
        losses += 1;
        assert!(losses <= 6, "it is sent again for ever");
        for (ours, _) in core::mem::take(&mut pair.links) {
            pair.client.detach(pair.now, ours, Cause::Network);
        }
        redial(&mut pair);
    }
    let now = pair.now;
    assert!(pair.client.accept(now).is_some());
    assert!(payload(&mut pair.client, now, stream) == sent);
}

/// A session is not given up for what it had yet to learn.
#[test]
fn what_teaches_counts_neither_as_a_try_nor_as_a_replay() {
    let mut pair = Pair::with_client(|client| {
        client.session.stuck.replays = Some(2);
        client.backoff = crate::reconnect::Backoff::default().with_attempts(Some(3));
    });
    pair.dial();
    let (now, sent) = (pair.now, message(90_000));
    let stream = queue(&mut pair.client, now, sent.clone());
    let mut passage = Passage::default();
    passage.carry(&mut pair, 1_200, Gateway::Closes);
    let now = pair.now;
    assert!(pair.server().accept(now).is_some());
    assert!(payload(pair.server(), now, stream) == sent);
}
