//! What the registry hears of a session, and what a session does at its word.

use super::*;
use crate::config::{MAX_CODE, WhenDetachedFull};
use crate::error::{CodeTooLarge, RecvError, StreamError};
use crate::server::{Select, SessionCommand};
use crate::wire::handshake::Reject;

fn dialled(adjust: impl FnOnce(&mut SessionConfig, &mut SessionConfig)) -> Pair {
    let mut pair = Pair::with(adjust);
    pair.dial();
    pair
}

// PROTOCOL R7.8
#[test]
fn a_lifetime_is_what_was_agreed_until_the_host_says_otherwise() {
    let mut pair = dialled(|client, server| {
        client.detached_lifetime = Duration::from_secs(100);
        server.detached_lifetime = Duration::from_secs(200);
    });
    assert_eq!(pair.server().detached_lifetime(), Duration::from_secs(100));
    pair.cut();
    pair.sleep(Duration::from_secs(60));
    let now = pair.now;
    pair.server().set_detached_lifetime(now, Duration::from_secs(300));
    pair.sleep(Duration::from_secs(40));
    pair.sleep(Duration::from_secs(160));
    assert_eq!(pair.server().state(), SessionState::Detached);
    assert_eq!(pair.client.state(), SessionState::Ended, "its own end did not extend");
    pair.server()
        .handle_command(now, SessionCommand::Lifetime(Duration::from_secs(261)))
        .expect("because the code fits");
    assert_eq!(
        pair.server().poll_timeout(),
        Some(Instant::from_millis(1_000) + Duration::from_secs(261))
    );
    pair.sleep(Duration::from_secs(1));
    assert_eq!(pair.server().state(), SessionState::Ended);
}

/// Both ends slept for longer than a detached session lives. Who wakes first has to leave the other a chance.
// PROTOCOL R7.8
#[test]
fn the_sleep_of_both_ends_is_nobody_s_absence() {
    let mut pair = dialled(|_, _| {});
    pair.cut();
    pair.sleep(Duration::from_secs(8 * 3_600));
    assert_eq!(pair.server().state(), SessionState::Detached);
    assert_eq!(pair.client.state(), SessionState::Detached);
    pair.sleep(Duration::from_secs(59));
    pair.dial();
    assert_eq!(pair.server().state(), SessionState::Attached);
    assert_eq!(pair.server().stats().attaches, 2);
}

/// Once, and a minute at most, or the session's lifetime if that is shorter.
// PROTOCOL R7.8
#[test]
fn who_slept_waits_for_the_other_once_and_not_for_long() {
    for (lifetime, chance) in [(600, 60), (5, 5)] {
        let mut pair = dialled(|_, server| server.detached_lifetime = Duration::from_secs(lifetime));
        pair.cut();
        pair.sleep(Duration::from_secs(8 * 3_600));
        let due = pair.now + Duration::from_secs(chance);
        assert_eq!(pair.server().poll_timeout(), Some(due));
        pair.sleep(Duration::from_secs(8 * 3_600));
        assert_eq!(pair.server().state(), SessionState::Ended, "once");
        let mut pair = dialled(|_, server| server.detached_lifetime = Duration::from_secs(lifetime));
        pair.cut();
        pair.sleep(Duration::from_secs(lifetime));
        assert_eq!(pair.server().state(), SessionState::Ended, "it did not sleep");
    }
}

#[test]
fn a_detached_session_reports_what_it_holds() {
    let mut pair = dialled(|_, _| {});
    let now = pair.now;
    let stream = pair
        .server()
        .open(now, StreamOptions::default())
        .expect("there is room");
    pair.cut();
    pair.settle_registry();
    let id = pair.client.id().expect("established");
    let before = pair.registry.session(id).expect("held").held_bytes;
    pair.server()
        .stream(stream)
        .send(now, Bytes::from_static(&[0; 100]))
        .expect("there is room");
    assert!(pair.server().poll_report().is_none(), "not worth a word");
    pair.server()
        .stream(stream)
        .send(now, Bytes::from_static(&[0; 8_000]))
        .expect("there is room");
    pair.settle_registry();
    let after = pair.registry.session(id).expect("held").held_bytes;
    assert!((8_100..8_300).contains(&(after - before)), "{before} {after}");
    assert_eq!(pair.registry.snapshot().detached_bytes, after + 2_048);
    assert!(pair.server().poll_report().is_none());
}

#[test]
fn the_longest_detached_is_told_why_it_ends_and_its_client_learns_its_fates() {
    let mut pair = dialled(|_, _| {});
    let now = pair.now;
    pair.server()
        .handle_command(now, SessionCommand::Evict)
        .expect("because the code fits");
    assert_eq!(pair.server().state(), SessionState::Attached, "it is not detached");
    pair.cut();
    pair.server()
        .handle_command(now, SessionCommand::Evict)
        .expect("because the code fits");
    let ended = events(pair.server()).pop();
    assert!(
        matches!(&ended, Some(Event::Ended(ended)) if ended.reason == EndReason::Evicted),
        "{ended:?}"
    );
    pair.settle_registry();
    let over = pair.registry.poll_ended().expect("handed out");
    assert_eq!(over.reason, Some(EndReason::Evicted));
    assert_eq!(WhenDetachedFull::default(), WhenDetachedFull::RefuseNew);
}

#[test]
fn orders_close_abort_and_move() {
    let mut pair = dialled(|_, _| {});
    let leave = SessionCommand::Leave {
        within: Duration::from_secs(3),
        alternate: Bytes::from_static(b"there"),
    };
    let now = pair.now;
    assert_eq!(pair.registry.command(now, Select::Name(""), &leave), Ok(0));
    assert_eq!(pair.registry.command(now, Select::All, &leave), Ok(1));
    while let Some((_, command)) = pair.registry.poll_command() {
        pair.server()
            .handle_command(now, command)
            .expect("because the code fits");
    }
    pair.settle();
    let moved = events(&mut pair.client);
    assert!(
        moved
            .iter()
            .any(|event| matches!(event, Event::GoAway { alternate, .. } if alternate == "there")),
        "{moved:?}"
    );
    let close = SessionCommand::Close {
        code: 5,
        reason: Bytes::from_static(b"night"),
    };
    for _ in 0..2 {
        pair.server()
            .handle_command(now, close.clone())
            .expect("because the code fits");
    }
    pair.settle();
    let ended = events(&mut pair.client).pop();
    assert!(
        matches!(&ended, Some(Event::Ended(ended)) if matches!(ended.reason, EndReason::Closed { code: 5, .. })),
        "{ended:?}"
    );
    let mut pair = dialled(|_, _| {});
    pair.server()
        .handle_command(now, SessionCommand::Abort)
        .expect("because the code fits");
    pair.settle();
    assert_eq!(pair.client.state(), SessionState::Ended);
}

/// A RESUME that gets as far as its session, and what that says.
fn knock(pair: &mut Pair) -> Result<Epoch, Option<Vec<u8>>> {
    pair.cut();
    pair.now = pair
        .now
        .max(pair.client.wanted_connection().expect("wanted").not_before);
    let now = pair.now;
    let epoch = pair.client.attach(now, Carrier::ordered()).expect("wanted");
    pair.links.push((epoch, None));
    let connection = pair.registry.connection_accepted(now, Carrier::ordered());
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(now, epoch, &mut packet));
    let route = pair.registry.first_packet(now, connection, BytesMut::from(&packet[..]));
    let Route::Resume { incoming, .. } = route else {
        panic!("it is held")
    };
    let adopted = pair.server().adopt(now, incoming);
    adopted.map_err(|rejection| rejection.packet)
}

// PROTOCOL R3.17, R11.5
#[test]
fn proven_attempts_that_come_to_nothing_are_limited_and_forged_ones_do_not_count() {
    let mut pair = dialled(|_, _| {});
    let mut told = 0;
    // Each is proven, and none is confirmed.
    for _ in 0..8 {
        match knock(&mut pair) {
            Ok(_) => {}
            Err(Some(packet)) => {
                assert!(matches!(
                    Reject::decode(&packet),
                    Ok(Reject::Retry { after: 1..=1_000 })
                ));
                told += 1;
            }
            Err(None) => panic!("left hanging"),
        }
        pair.client.reconnect().at_once(pair.now);
    }
    assert!(told >= 1, "eight in a row, at once");
    // After a pause the true client is let in again, and what it confirms is forgiven.
    pair.sleep(Duration::from_secs(1));
    for _ in 0..8 {
        pair.cut();
        pair.client.reconnect().at_once(pair.now);
        pair.now = pair
            .now
            .max(pair.client.wanted_connection().expect("wanted").not_before);
        pair.dial();
        assert_eq!(pair.client.state(), SessionState::Attached);
    }
}

/// A code that has no room on the wire is the caller's mistake, wherever it is given; nothing is closed, reset or stopped,
/// and the peer is told no other code.
#[test]
fn codes_beyond_the_wire_are_refused() {
    let mut pair = dialled(|_, _| {});
    let now = pair.now;
    let large = MAX_CODE + 1;
    let stream = pair.client.open(now, StreamOptions::default()).expect("there is room");
    let close = |code| SessionCommand::Close {
        code,
        reason: Bytes::new(),
    };
    assert_eq!(pair.client.close(now, large, Bytes::new()), Err(CodeTooLarge(large)));
    assert_eq!(
        pair.server().handle_command(now, close(u64::MAX)),
        Err(CodeTooLarge(u64::MAX))
    );
    let refused = Err(StreamError::CodeTooLarge(large));
    assert_eq!(pair.client.stream(stream).reset(now, large), refused);
    assert_eq!(pair.client.stream(stream).stop(now, large), refused);
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"still open"))
        .expect("there is room");
    pair.settle();
    assert_eq!(pair.server().accept(now).map(|accepted| accepted.id), Some(stream));
    assert_eq!(payload(pair.server(), now, stream), b"still open");
    assert_eq!(pair.client.state(), SessionState::Attached);

    // The largest arrives as it is.
    pair.client.stream(stream).reset(now, MAX_CODE).expect("it fits");
    pair.settle();
    assert_eq!(pair.server().stream(stream).recv(now), Err(RecvError::Reset(MAX_CODE)));
    pair.server().handle_command(now, close(MAX_CODE)).expect("it fits");
    pair.settle();
    let ended = events(&mut pair.client).pop();
    assert!(
        matches!(&ended, Some(Event::Ended(ended)) if matches!(ended.reason, EndReason::Closed { code: MAX_CODE, .. })),
        "{ended:?}"
    );
}
