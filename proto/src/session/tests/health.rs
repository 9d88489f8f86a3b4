use bytes::Bytes;

use super::super::testing::{Pair, events};
use crate::config::{Heartbeat, SessionConfig, Stuck};
use crate::event::{EndReason, Event};
use crate::liveness::Health;
use crate::reconnect::Cause;
use crate::server::SessionStatus;
use crate::session::SessionState;
use crate::stream::StreamOptions;
use crate::time::{Duration, Instant, earliest};

fn healths(pair: &mut Pair) -> alloc::vec::Vec<Health> {
    core::iter::from_fn(|| pair.client.poll_event())
        .filter_map(|event| match event {
            Event::Health(health) => Some(health),
            _ => None,
        })
        .collect()
}

/// Lets the client wake whenever it asked to, for `time`; packets cross if `carried`.
fn live(pair: &mut Pair, time: Duration, carried: bool) {
    let until = pair.now + time;
    for _ in 0..1_000 {
        let server = pair.server.as_ref().and_then(|server| server.poll_timeout());
        let next = earliest(pair.client.poll_timeout(), server).unwrap_or(until).min(until);
        pair.now = pair.now.max(next);
        pair.client.handle_timeout(pair.now);
        assert!(pair.client.poll_timeout().is_none_or(|at| at > pair.now));
        pair.server().handle_timeout(next);
        // Else the carrier takes nothing.
        if carried {
            pair.settle();
        }
        if pair.now >= until {
            return;
        }
    }
    panic!("it never rests");
}

#[test]
fn health_goes_from_healthy_to_idle_and_back() {
    let mut pair = Pair::new();
    assert_eq!(
        (pair.client.health(pair.now), pair.client.state()),
        (Health::Detached, SessionState::Connecting)
    );
    pair.dial();
    assert_eq!(pair.client.state(), SessionState::Attached);
    live(&mut pair, Duration::from_secs(61), true);
    assert_eq!(healths(&mut pair), [Health::Healthy, Health::Idle]);
    assert_eq!(pair.client.state(), SessionState::Attached);
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"x"))
        .expect("because there is room");
    pair.settle();
    live(&mut pair, Duration::from_secs(1), true);
    assert_eq!(healths(&mut pair), [Health::Healthy]);
    pair.client.abort(pair.now);
    assert_eq!(
        (healths(&mut pair), pair.client.state()),
        (alloc::vec![Health::Detached], SessionState::Ended)
    );
}

#[test]
fn silence_is_suspect_before_it_is_an_end() {
    let mut pair = Pair::new();
    pair.dial();
    live(&mut pair, Duration::from_secs(12), false);
    assert_eq!(healths(&mut pair), [Health::Healthy, Health::Suspect]);
    live(&mut pair, Duration::from_secs(2), true);
    assert_eq!(healths(&mut pair), [Health::Healthy], "it answered");
    pair.client.detach(pair.now, pair.links[0].0, Cause::Network);
    assert_eq!(healths(&mut pair), [Health::Detached]);
    pair.client.reconnect().pause(pair.now);
    let due = pair.client.poll_timeout().expect("because the lifetime runs on");
    pair.client.handle_timeout(due);
    assert_eq!(pair.client.end_reason(), Some(&EndReason::Expired));
}

/// Kills `health_unreported`.
#[test]
fn the_registry_knows_who_is_silent() {
    let mut pair = Pair::new();
    pair.dial();
    let status = |pair: &mut Pair| {
        pair.settle_registry();
        pair.registry.sessions().next().map(|info| info.status)
    };
    assert_eq!(status(&mut pair), Some(SessionStatus::Connected));
    live(&mut pair, Duration::from_secs(12), false);
    assert_eq!(status(&mut pair), Some(SessionStatus::Suspect));
    live(&mut pair, Duration::from_secs(2), true);
    assert_eq!(status(&mut pair), Some(SessionStatus::Connected));
    live(&mut pair, Duration::from_secs(120), true);
    assert_eq!(status(&mut pair), Some(SessionStatus::Idle));
}

#[test]
fn heartbeats_by_name() {
    let seconds = |interval, timeout| (Duration::from_secs(interval), Duration::from_secs(timeout));
    for (heartbeat, expected) in [
        (Heartbeat::STANDARD, seconds(10, 30)),
        (Heartbeat::RELAXED, seconds(15, 45)),
        (Heartbeat::counted(Duration::from_secs(60), 3), seconds(60, 180)),
    ] {
        let config = SessionConfig::default().with_heartbeat(heartbeat);
        assert_eq!((config.keepalive_interval, config.keepalive_timeout), expected);
        assert!(config.validate().is_ok());
    }
}

fn with_unacked(stuck: Stuck) -> Pair {
    let mut pair = Pair::with(|client, _| client.stuck = stuck);
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    let number = pair
        .client
        .stream(stream)
        .send_within(now, Bytes::from_static(b"x"), Duration::from_secs(7));
    assert_eq!(number, Ok(1));
    pair
}

fn end(pair: &mut Pair) -> Option<EndReason> {
    events(&mut pair.client).into_iter().find_map(|event| match event {
        Event::Ended(ended) => {
            assert_eq!(ended.fates.streams[0].unknown.messages, 1);
            Some(ended.reason)
        }
        _ => None,
    })
}

/// Attaches, loses what is sent, and loses the connection.
fn attach_in_vain(pair: &mut Pair) {
    let epoch = pair.links[0].0;
    while pair.client.poll_transmit(pair.now, epoch, &mut alloc::vec::Vec::new()) {}
    pair.cut();
    // What is sent again never arrives: the server's packets do.
    pair.confirm_lost = true;
    pair.dial();
}

#[test]
fn what_is_sent_again_and_again_in_vain_ends_the_session() {
    for limit in [Some(2), None] {
        let mut pair = with_unacked(Stuck {
            replays: limit,
            unacknowledged: None,
        });
        for _ in 0..2 {
            attach_in_vain(&mut pair);
            assert_eq!(end(&mut pair), None);
        }
        attach_in_vain(&mut pair);
        assert_eq!(end(&mut pair), limit.map(|_| EndReason::Stuck));
    }
}

#[test]
fn what_a_live_connection_never_acknowledges_ends_the_session() {
    let mut pair = with_unacked(Stuck {
        replays: None,
        unacknowledged: Some(Duration::from_secs(2)),
    });
    let epoch = pair.links[0].0;
    while pair.client.poll_transmit(pair.now, epoch, &mut alloc::vec::Vec::new()) {}
    let until = pair.now + Duration::from_secs(2);
    while let Some(at) = pair.client.poll_timeout().filter(|at| *at <= until) {
        pair.client.handle_timeout(at);
        pair.now = at;
    }
    assert_eq!((end(&mut pair), pair.now), (Some(EndReason::Stuck), until));
}

#[test]
fn an_overdue_message_is_told_of_and_not_dropped() {
    let overdue = |pair: &mut Pair| {
        let all = events(&mut pair.client);
        all.iter()
            .filter(|event| matches!(event, Event::Overdue { message: 1, .. }))
            .count()
    };
    let mut pair = with_unacked(Stuck::never());
    pair.cut();
    pair.sleep(Duration::from_millis(6_999));
    assert_eq!(overdue(&mut pair), 0);
    pair.sleep(Duration::from_millis(1));
    assert_eq!(overdue(&mut pair), 1);
    pair.dial();
    let stream = pair
        .server()
        .accept(Instant::ZERO)
        .expect("because it arrived after all");
    let now = pair.now;
    assert!(matches!(pair.server().stream(stream.id).recv(now), Ok(Some(_))));
    // One that arrived in time is none.
    let mut pair = with_unacked(Stuck::never());
    pair.settle();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.sleep(Duration::from_secs(8));
    assert_eq!(overdue(&mut pair), 0);
}

#[test]
fn a_message_that_waits_before_the_machine_is_watched_like_one_inside() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    let within = Duration::from_secs(2);
    assert_eq!(pair.client.stream(stream).watch(now, 2, within), Ok(()));
    assert!(
        pair.client.stream(stream).watch(now, 20_000, within).is_err(),
        "too far ahead"
    );
    assert!(
        pair.client
            .stream(crate::id::StreamId(99))
            .watch(now, 1, within)
            .is_err()
    );
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"first"))
        .expect("because there is room");
    pair.settle();
    pair.sleep(within);
    let told: alloc::vec::Vec<Event> = events(&mut pair.client)
        .into_iter()
        .filter(|event| matches!(event, Event::Overdue { .. }))
        .collect();
    assert_eq!(
        told,
        [Event::Overdue { stream, message: 2 }],
        "the second was never sent"
    );
}

/// A host that asks for no events while thousands of messages arrive late.
#[test]
fn overdue_messages_that_nobody_asks_about_are_forgotten_once_they_arrived() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    let mut number = 0;
    for _ in 0..40 {
        for _ in 0..100 {
            let now = pair.now;
            number = pair
                .client
                .stream(stream)
                .send_within(now, Bytes::from_static(b"x"), Duration::from_millis(1))
                .expect("because there is room");
        }
        // Late, but then they arrive and are acknowledged.
        pair.sleep(Duration::from_millis(2));
        pair.settle();
        while pair.server().accept(Instant::ZERO).is_some() {}
        while matches!(pair.server().stream(stream).recv(Instant::ZERO), Ok(Some(_))) {}
        pair.sleep(Duration::from_millis(30));
        pair.settle();
    }
    let now = pair.now;
    let last = pair
        .client
        .stream(stream)
        .send_within(now, Bytes::from_static(b"x"), Duration::from_millis(1));
    assert_eq!(last, Ok(number + 1));
    pair.sleep(Duration::from_millis(2));
    let told: alloc::vec::Vec<u64> = core::iter::from_fn(|| pair.client.poll_event())
        .filter_map(|event| match event {
            Event::Overdue { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    assert!(told.len() <= 1_100, "{}", told.len());
    assert_eq!(told.last(), Some(&(number + 1)), "what is overdue now is told");
}

/// Sends something that arrives, and loses the connection before its acknowledgement; `cause`: of what.
fn unheard_progress(cause: Cause) -> Pair {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    for _ in 0..6 {
        let now = pair.now;
        pair.client
            .stream(stream)
            .send(now, Bytes::from_static(b"x"))
            .expect("because there is room");
        let (ours, theirs) = pair.links[pair.links.len() - 1];
        let server = pair.server.as_mut().expect("because dialled");
        let theirs = theirs.expect("because attached");
        super::super::testing::shuttle(now, &mut pair.client, ours, server, theirs);
        pair.cut_with(cause);
        pair.now = pair.client.wanted_connection().map_or(now, |intent| intent.not_before);
        pair.dial();
    }
    let now = pair.now;
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"x"))
        .expect("because there is room");
    let epoch = pair.links[pair.links.len() - 1].0;
    while pair.client.poll_transmit(pair.now, epoch, &mut alloc::vec::Vec::new()) {}
    pair
}

/// How long the client bears silence now that something waits.
fn borne(pair: &mut Pair) -> Duration {
    let begin = pair.now;
    while pair.client.health(pair.now) != Health::Detached {
        pair.now = pair.client.poll_timeout().expect("because it waits");
        pair.client.handle_timeout(pair.now);
    }
    pair.now.saturating_since(begin)
}

#[test]
fn progress_that_only_the_next_attach_tells_of_is_progress() {
    let mut cut = unheard_progress(Cause::Network);
    assert!(borne(&mut cut) < Duration::from_secs(5), "no patience was earned");
    // But where our own verdict took the connection, it came too early: the link is slow.
    let mut slow = unheard_progress(Cause::Heartbeat);
    assert!(borne(&mut slow) > Duration::from_secs(20));
}

#[test]
fn stuck_counts_no_replays_that_arrived() {
    let mut pair = with_unacked(Stuck {
        replays: Some(2),
        unacknowledged: None,
    });
    let stream = pair.client.open(pair.now, StreamOptions::default());
    for _ in 0..6 {
        // It arrives each time, and each time its acknowledgement is lost.
        let now = pair.now;
        let (ours, theirs) = pair.links[0];
        let theirs = theirs.expect("because attached");
        let server = pair.server.as_mut().expect("because dialled");
        super::super::testing::shuttle(now, &mut pair.client, ours, server, theirs);
        pair.cut();
        let sent = stream.map(|stream| pair.client.stream(stream).send(now, Bytes::from_static(b"more")));
        assert_eq!(sent, Ok(Ok(())));
        pair.confirm_lost = true;
        pair.dial();
        pair.confirm_lost = false;
    }
    assert_eq!(end(&mut pair), None);
}

#[test]
fn what_is_packed_on_an_idle_session_is_told_at_once() {
    let mut pair = Pair::new();
    pair.dial();
    live(&mut pair, Duration::from_secs(61), true);
    healths(&mut pair);
    let now = pair.now;
    pair.client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    assert_eq!(healths(&mut pair), [], "nothing was said yet");
    let epoch = pair.links[0].0;
    assert!(pair.client.poll_transmit(now, epoch, &mut alloc::vec::Vec::new()));
    assert_eq!(pair.client.poll_timeout(), Some(now), "there is something to tell");
    pair.client.handle_timeout(now);
    assert_eq!(healths(&mut pair), [Health::Healthy]);
    assert!(pair.client.poll_timeout().is_some_and(|at| at > now));
}
