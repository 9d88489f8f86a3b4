use bytes::BytesMut;

use super::super::routing::tests::{
    Client, at, authentic, config, first, first_frame, refused_in_the_clear, registry, rejected, report, resume_packet,
};
use super::*;
use crate::Health;
use crate::accept::Status;
use crate::config::{Rate, ServerConfig};
use crate::id::Carrier;
use crate::peer::PeerKey;
use crate::security::{Established, Suite};
use crate::server::{Report, Route};
use crate::wire::frame::{EndCode, Frame};
use crate::wire::handshake::Reject;

fn hello(number: u8) -> BytesMut {
    Client::new(number).hello(Suite::ChaChaPoly).1
}

fn from_peer(registry: &mut Registry, now: Instant, peer: u8, packet: BytesMut) -> Route {
    let carrier = Carrier::ordered().from_peer(PeerKey::opaque(&[peer]));
    let connection = registry.connection_accepted(now, carrier);
    registry.first_packet(now, connection, packet)
}

fn is_retry(route: Route) -> bool {
    matches!(refused_in_the_clear(route), Some(Reject::Retry { after: 1.. }))
}

/// The first frame that a client hears which asks under `identity`; `None`: it was admitted.
fn asks(registry: &mut Registry, now: Instant, number: u8, identity: &'static [u8]) -> Option<Frame> {
    let mut client = Client::new(number);
    client.now = now;
    let (mut established, incoming) = client.prove(registry, |_| None);
    let placement = Placement {
        identity: Bytes::from_static(identity),
        ..Placement::default()
    };
    match registry.admit_as(now, incoming, &placement) {
        Admission::New { .. } => None,
        other => Some(first_frame(&mut established, rejected(other))),
    }
}

fn holds(registry: &mut Registry, number: u8, identity: &'static [u8]) -> Established {
    let (established, incoming) = Client::new(number).prove(registry, |_| None);
    let placement = Placement {
        identity: Bytes::from_static(identity),
        ..Placement::default()
    };
    assert!(matches!(
        registry.admit_as(at(1), incoming, &placement),
        Admission::New { .. }
    ));
    established
}

fn code(frame: Option<Frame>) -> Option<EndCode> {
    frame.map(|frame| match frame {
        Frame::End(end) => end.code,
        other => panic!("not an END: {other:?}"),
    })
}

#[test]
fn each_peer_has_a_rate_of_its_own() {
    let mut config = config();
    config.peer_hellos = Some(Rate {
        per_second: 1,
        burst: 2,
    });
    config.peer_resumes = Some(Rate {
        per_second: 1,
        burst: 3,
    });
    let mut registry = registry(config);
    let held = Client::new(1).admitted(&mut registry);
    for _ in 0..2 {
        assert!(matches!(
            from_peer(&mut registry, at(1), 1, hello(2)),
            Route::Handshake(_)
        ));
    }
    for _ in 0..100 {
        assert!(is_retry(from_peer(&mut registry, at(1), 1, hello(2))));
    }
    assert!(matches!(
        from_peer(&mut registry, at(1), 2, hello(2)),
        Route::Handshake(_)
    ));
    assert!(
        matches!(first(&mut registry, at(1), hello(2)), Route::Handshake(_)),
        "of no known peer"
    );
    // A RESUME has a bucket of its own: who may open no more may still come back.
    for _ in 0..3 {
        let route = from_peer(&mut registry, at(1), 1, authentic(&held));
        assert!(matches!(route, Route::Resume { .. }));
    }
    assert!(is_retry(from_peer(&mut registry, at(1), 1, authentic(&held))));
    assert!(matches!(
        from_peer(&mut registry, at(2), 1, authentic(&held)),
        Route::Resume { .. }
    ));
    assert_eq!(registry.snapshot().refused.peer_limit, 101);
}

// PROTOCOL R2.8
#[test]
fn resumes_have_a_rate_together_that_strangers_cannot_spend_nor_read() {
    let mut config = config();
    config.resume_rate = 30;
    let mut registry = registry(config);
    let held = Client::new(1).admitted(&mut registry);
    let stranger = SessionId([9; 16]);
    for id in [held.id, stranger].repeat(50) {
        let route = first(&mut registry, at(1), resume_packet(id));
        assert_eq!(refused_in_the_clear(route), Some(Reject::Refused));
    }
    for _ in 0..3 {
        let route = first(&mut registry, at(1), authentic(&held));
        assert!(matches!(route, Route::Resume { .. }));
    }
    for _ in 0..5 {
        assert!(is_retry(first(&mut registry, at(1), authentic(&held))));
    }
    // Those who come back are told a moment each. Others hear the same one, whatever they name.
    let told = [held.id, stranger].map(|id| refused_in_the_clear(first(&mut registry, at(1), resume_packet(id))));
    assert!(matches!(told[0], Some(Reject::Retry { .. })));
    assert_eq!(told[0], told[1]);
    assert_eq!(registry.snapshot().refused.resume_rate, 7);
    let route = first(&mut registry, at(2), authentic(&held));
    assert!(matches!(route, Route::Resume { .. }));
}

#[test]
fn one_peer_cannot_displace_the_handshakes_of_others() {
    let mut config = config();
    (config.max_handshakes, config.max_handshakes_per_peer) = (4, 2);
    let mut registry = registry(config);
    let Route::Handshake(honest) = from_peer(&mut registry, at(1), 9, hello(1)) else {
        panic!("no handshake")
    };
    let begun = (0..50).filter(|_| matches!(from_peer(&mut registry, at(1), 1, hello(2)), Route::Handshake(_)));
    assert_eq!(begun.count(), 2);
    assert!(registry.is_wanted(honest.connection()));
    // What is over makes room again, whichever way.
    registry.handle_timeout(at(11));
    assert!(matches!(
        from_peer(&mut registry, at(11), 1, hello(2)),
        Route::Handshake(_)
    ));
    let Route::Handshake(left) = from_peer(&mut registry, at(11), 1, hello(2)) else {
        panic!("no handshake")
    };
    assert!(is_retry(from_peer(&mut registry, at(11), 1, hello(2))));
    registry.connection_closed(at(11), left.connection());
    assert!(matches!(
        from_peer(&mut registry, at(11), 1, hello(2)),
        Route::Handshake(_)
    ));
    assert_eq!(registry.snapshot().handshakes, 2);
}

#[test]
fn a_flood_from_one_address_leaves_the_others_their_share() {
    let mut config = ServerConfig::new(crate::security::ServerAuth::anonymous());
    config.hello_rate = 1_000;
    let mut registry = registry(config);
    let held = Client::new(1).admitted(&mut registry);
    let (hello, resume) = (hello(2), authentic(&held));
    for number in 0..200_000_u32 {
        let packet = if number % 2 == 0 { &hello } else { &resume };
        drop(from_peer(&mut registry, at(1), 1, packet.clone()));
    }
    let snapshot = registry.snapshot();
    assert!(snapshot.handshakes <= 128 && snapshot.silent <= 1_024, "{snapshot:?}");
    assert!(matches!(from_peer(&mut registry, at(1), 2, hello), Route::Handshake(_)));
    assert!(matches!(
        from_peer(&mut registry, at(1), 2, resume),
        Route::Resume { .. }
    ));
}

#[test]
fn sessions_of_an_identity_are_limited_in_number_and_rate() {
    let mut config = config();
    config.max_sessions_per_identity = 2;
    config.identity_sessions = Some(Rate {
        per_second: 1,
        burst: 3,
    });
    let mut registry = registry(config);
    let [one, two] = [1, 2].map(|number| holds(&mut registry, number, b"alice"));
    assert_eq!(code(asks(&mut registry, at(1), 3, b"alice")), Some(EndCode::Busy));
    assert_eq!(code(asks(&mut registry, at(1), 4, b"bob")), None);
    for gone in [&one, &two] {
        registry.update(at(1), report(gone, Status::Ended(None)));
    }
    assert_eq!(code(asks(&mut registry, at(1), 5, b"alice")), None);
    let Some(Frame::End(end)) = asks(&mut registry, at(1), 6, b"alice") else {
        panic!("not an END")
    };
    assert_eq!((end.code, end.after), (EndCode::RetryLater, Some(1_000)));
    assert_eq!(code(asks(&mut registry, at(2), 7, b"alice")), None);
    assert_eq!(registry.snapshot().refused.identity_limit, 2);
}

fn named(policy: SameName) -> (Registry, Established) {
    let mut config = config();
    config.same_name = policy;
    let mut registry = registry(config);
    let older = holds(&mut registry, 1, b"alice");
    registry.update(at(1), report(&older, Status::Attached));
    (registry, older)
}

#[test]
fn a_name_that_is_taken_is_dealt_with_as_the_host_likes() {
    for (policy, attached, detached) in [
        (SameName::Allow, None, None),
        (SameName::KeepHealthy, Some(EndCode::RetryLater), None),
        (SameName::Keep, Some(EndCode::Busy), Some(EndCode::Busy)),
        (SameName::Replace, None, None),
    ] {
        let (mut registry, older) = named(policy);
        assert_eq!(code(asks(&mut registry, at(1), 2, b"bob")), None, "not his name");
        assert_eq!(code(asks(&mut registry, at(1), 3, b"alice")), attached, "{policy:?}");
        let (mut registry, _) = (named(policy).0, older);
        let older = registry.sessions().next().expect("held").id;
        let established = Established {
            id: older,
            ..Client::new(9).prove(&mut registry, |_| None).0
        };
        registry.update(at(2), report(&established, Status::Detached));
        assert_eq!(code(asks(&mut registry, at(2), 4, b"alice")), detached, "{policy:?}");
    }
}

#[test]
fn a_session_whose_client_is_silent_does_not_keep_its_name() {
    let (mut registry, older) = named(SameName::KeepHealthy);
    let suspect = Report {
        health: Health::Suspect,
        ..report(&older, Status::Attached)
    };
    registry.update(at(2), suspect);
    let status = registry.sessions().next().map(|info| (info.status, info.is_attached()));
    assert_eq!(status, Some((SessionStatus::Suspect, true)));
    assert_eq!((registry.snapshot().connected, registry.snapshot().suspect), (1, 1));
    let newer = holds(&mut registry, 2, b"alice");
    registry.update(at(3), report(&newer, Status::Attached));
    assert_eq!(registry.poll_command(), Some((older.id, SessionCommand::Replace)));
}

#[test]
fn the_older_one_goes_once_the_newcomer_is_established() {
    for (policy, command) in [
        (SameName::Allow, None),
        (SameName::KeepHealthy, Some(SessionCommand::Replace)),
        (SameName::Replace, Some(SessionCommand::Replace)),
    ] {
        let (mut registry, older) = named(policy);
        registry.update(at(2), report(&older, Status::Detached));
        let newer = holds(&mut registry, 2, b"alice");
        assert_eq!(registry.poll_command(), None, "it has not confirmed");
        registry.update(at(3), report(&newer, Status::Attached));
        assert_eq!(registry.poll_command(), command.map(|command| (older.id, command)));
        registry.update(at(4), report(&newer, Status::Attached));
        registry.update(at(5), report(&older, Status::Attached));
        assert_eq!(registry.poll_command(), None, "once");
    }
}

#[test]
fn a_newcomer_that_came_and_went_between_two_reports_has_its_name() {
    let (mut registry, older) = named(SameName::Replace);
    let newer = holds(&mut registry, 2, b"alice");
    // Reports are newest only: that it was attached meanwhile was never said.
    registry.update(at(3), report(&newer, Status::Detached));
    assert_eq!(registry.poll_command(), Some((older.id, SessionCommand::Replace)));
}

/// Kills `returned_replaced`.
#[test]
fn an_older_one_that_came_back_before_the_newcomer_was_established_keeps_its_name() {
    for (policy, goes_older) in [(SameName::KeepHealthy, false), (SameName::Replace, true)] {
        let (mut registry, older) = named(policy);
        registry.update(at(2), report(&older, Status::Detached));
        let newer = holds(&mut registry, 2, b"alice");
        registry.update(at(3), report(&older, Status::Attached));
        registry.update(at(4), report(&newer, Status::Attached));
        let goes = if goes_older { older.id } else { newer.id };
        assert_eq!(
            registry.poll_command(),
            Some((goes, SessionCommand::Replace)),
            "{policy:?}"
        );
        assert_eq!(registry.poll_command(), None);
    }
}

#[test]
fn who_comes_while_the_hosts_backlog_is_full_is_told_to_come_later() {
    let mut registry = registry(config());
    registry.set_backlog_full(true);
    assert_eq!(code(asks(&mut registry, at(1), 1, b"alice")), Some(EndCode::RetryLater));
    assert_eq!(registry.snapshot().refused.no_room, 1);
    registry.set_backlog_full(false);
    assert_eq!(code(asks(&mut registry, at(1), 2, b"alice")), None);
}
