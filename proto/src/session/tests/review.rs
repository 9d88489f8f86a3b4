//! What an adversarial reading found: each was wrong once.

use super::*;
use crate::error::ConnectionError;
use crate::event::Ended;
use crate::security::StaticKey;
use crate::server::{Incoming, Refusal};
use crate::wire::handshake::Reject;

fn hello_suite(session: &mut Session, now: Instant) -> (Epoch, u8) {
    let epoch = session
        .attach(now, Carrier::ordered())
        .expect("because a connection is wanted");
    let mut packet = Vec::new();
    assert!(session.poll_transmit(now, epoch, &mut packet));
    (epoch, packet[2])
}

/// Carries a handshake to where the host decides, and stops there.
pub(super) fn shake(registry: &mut Registry, client: &mut Session, now: Instant) -> (Epoch, Incoming) {
    let connection = registry.connection_accepted(now, Carrier::ordered());
    let epoch = client
        .attach(now, Carrier::ordered())
        .expect("because a connection is wanted");
    let mut packet = Vec::new();
    assert!(client.poll_transmit(now, epoch, &mut packet));
    let Route::Handshake(mut incoming) = registry.first_packet(now, connection, BytesMut::from(&packet[..])) else {
        panic!("not a handshake");
    };
    packet.clear();
    assert!(incoming.poll_transmit(&mut packet));
    client
        .handle_input(now, epoch, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    packet.clear();
    assert!(client.poll_transmit(now, epoch, &mut packet));
    incoming
        .handle_input(now, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    (epoch, incoming)
}

// PROTOCOL R3.4
#[test]
fn a_forged_refusal_of_the_suite_does_not_stick() {
    let secret = SharedSecret::from_key(b"test", [7; 32]).expect("because the hint is short");
    let now = Instant::from_millis(1_000);
    let mut client =
        Session::connect(ClientConfig::new(Auth::secret(secret)), Seed([2; 32]), now).expect("because it is valid");
    let (epoch, best) = hello_suite(&mut client, now);
    client
        .handle_input(now, epoch, BytesMut::from(&Reject::SuiteUnsupported.encode()[..]))
        .expect("because a refusal is an answer");
    let (epoch, next) = hello_suite(&mut client, now);
    assert_ne!(best, next);
    // The honest server sees in the sealed list that the better one was kept from it, and hangs up.
    client.detach(now, epoch, Cause::Network);
    let (_, again) = hello_suite(&mut client, now);
    assert_eq!(again, best);
}

// PROTOCOL R4.3
#[test]
fn the_peer_is_told_what_it_did_wrong() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    let nonsense = seal(pair.server(), theirs, &[0xff]);
    let wrong = pair.client.handle_input(now, ours, BytesMut::from(&nonsense[..]));
    assert!(matches!(wrong, Err(ConnectionError::Protocol(_))));
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(now, ours, &mut packet), "the last word");
    let _ = pair.server().handle_input(now, theirs, BytesMut::from(&packet[..]));
    assert_eq!(pair.server().state(), SessionState::Ended);
}

#[test]
fn a_close_waits_for_room_in_the_inbox_of_a_peer_that_misses_something() {
    let mut pair = Pair::with(|_, server| server.inbox_limit = 65_536);
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
        .send(now, Bytes::from_static(b"late"))
        .expect("because there is room");
    let mut late = Vec::new();
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    assert!(pair.client.poll_transmit(now, ours, &mut late));
    pair.held = Some(ours);
    pair.dial();
    for _ in 0..65 {
        pair.client
            .stream(stream)
            .send(now, Bytes::from(alloc::vec![1; 936]))
            .expect("because there is room");
    }
    pair.settle();
    assert_eq!(pair.server().inspect().links, [false, true, true], "late is missing");
    pair.client
        .close(now, 1, Bytes::from(alloc::vec![b'x'; 1_024]))
        .expect("because the code fits");
    pair.settle();
    pair.server()
        .handle_input(now, theirs, BytesMut::from(&late[..]))
        .expect("because it is honest");
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    assert!(matches!(events(&mut pair.client).pop(), Some(Event::Ended(ended))
            if matches!(ended.reason, EndReason::Closed { .. }) && ended.fates.all_delivered()));
}

#[test]
fn a_server_that_always_asks_to_go_is_left_no_faster_than_the_backoff_allows() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    for _ in 0..6 {
        pair.server().migrate(now, Duration::from_secs(1), Bytes::new());
        pair.settle();
        let intent = pair
            .client
            .wanted_connection()
            .expect("because the server asked for it");
        if intent.not_before > now {
            return;
        }
        pair.dial();
        pair.links.remove(0);
    }
    panic!("six swaps in no time");
}

#[test]
fn what_an_application_asks_for_is_not_held_up() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    pair.client.migrate(now, Duration::ZERO, Bytes::new());
    assert_eq!(pair.client.wanted_connection().map(|i| i.not_before), Some(now));
}

/// A client whose session is at `home`, and that comes to `elsewhere`.
pub(super) fn stray() -> (Session, Registry, Instant) {
    let (home, other) = (StaticKey::from_bytes([1; 32]), StaticKey::from_bytes([2; 32]));
    let now = Instant::from_millis(1_000);
    let auth = Auth::pinned(alloc::vec![home.public(), other.public()]);
    let mut client = Session::connect(ClientConfig::new(auth), Seed([2; 32]), now).expect("because it is valid");
    let registry = |key, seed| {
        Registry::new(ServerConfig::new(ServerAuth::key(key)), Seed([seed; 32]), now).expect("because it is valid")
    };
    let (mut at_home, mut elsewhere) = (registry(home, 3), registry(other, 4));
    let (epoch, incoming) = shake(&mut at_home, &mut client, now);
    let Admission::New {
        mut session,
        epoch: theirs,
    } = at_home.admit(now, incoming)
    else {
        panic!("not admitted");
    };
    shuttle(now, &mut session, theirs, &mut client, epoch);
    shuttle(now, &mut client, epoch, &mut session, theirs);
    client.detach(now, epoch, Cause::Network);
    for _ in 0..2 {
        let connection = elsewhere.connection_accepted(now, Carrier::ordered());
        let epoch = client
            .attach(now, Carrier::ordered())
            .expect("because a connection is wanted");
        let mut packet = Vec::new();
        assert!(client.poll_transmit(now, epoch, &mut packet));
        let Route::Reject(refused) = elsewhere.first_packet(now, connection, BytesMut::from(&packet[..])) else {
            panic!("unknown there");
        };
        let packet = refused.packet.expect("because it says so");
        client
            .handle_input(now, epoch, BytesMut::from(&packet[..]))
            .expect("because a refusal is an answer");
    }
    (client, elsewhere, now)
}

// PROTOCOL R11.4
/// Kills `any_server_asks_for_credentials`.
#[test]
fn only_the_sessions_own_server_ends_or_parks_it_for_want_of_authority() {
    for refusal in [Refusal::Unauthorized, Refusal::RefreshCredentials] {
        let (mut client, mut elsewhere, now) = stray();
        let (epoch, incoming) = shake(&mut elsewhere, &mut client, now);
        let refused = elsewhere.refuse(now, incoming, refusal.clone());
        let no = refused.packet.expect("because it says so");
        let _ = client.handle_input(now, epoch, BytesMut::from(&no[..]));
        assert_eq!(client.state(), SessionState::Detached);
        assert!(client.reconnecting().is_credential_welcome(), "{refusal:?}");
        let wanted = client.wanted_connection();
        assert!(wanted.is_some_and(|intent| intent.is_dial()), "{refusal:?}");
    }
}

#[test]
fn fruitless_swaps_do_not_use_up_the_tries_of_a_stable_connection() {
    let mut pair = Pair::with_client(|config| config.backoff.attempts = Some(2));
    pair.dial();
    pair.sleep(Duration::from_secs(10));
    pair.settle();
    let now = pair.now;
    pair.client.migrate(now, Duration::ZERO, Bytes::new());
    while let Some(intent) = pair.client.wanted_connection() {
        pair.client
            .handle_answer(now, intent.attempt, crate::reconnect::Answer::Failed(Cause::Network));
    }
    pair.cut();
    assert_eq!(pair.client.state(), SessionState::Detached);
    assert!(pair.client.wanted_connection().is_some());
}

#[test]
fn a_close_that_the_peers_has_answered_does_not_expire() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let (ours, theirs) = (pair.links[0].0, pair.links[0].1.expect("because it is attached"));
    pair.client.close(now, 1, Bytes::new()).expect("because the code fits");
    pair.now = now + Duration::from_secs(1);
    let now = pair.now;
    pair.server()
        .close(now, 2, Bytes::new())
        .expect("because the code fits");
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, server, theirs, &mut pair.client, ours);
    pair.cut();
    while let Some(at) = pair.client.poll_timeout() {
        pair.client.handle_timeout(at);
        if let Some(intent) = pair.client.wanted_connection() {
            pair.client
                .handle_answer(at, intent.attempt, crate::reconnect::Answer::Failed(Cause::Network));
        }
    }
    let last = events(&mut pair.client).pop();
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

/// Each has frozen its position by its own CLOSE, and so acknowledges nothing of what stands before the other's.
#[test]
fn closes_that_cross_get_through_however_much_is_before_them() {
    let mut pair = Pair::new();
    pair.dial();
    let stream = opened(&mut pair);
    let now = pair.now;
    assert!(pair.server().accept(now).is_some());
    send(&mut pair.client, now, stream, alloc::vec![0; 200_000]);
    send(pair.server(), now, stream, alloc::vec![0; 200_000]);
    let (ours, theirs) = pair.links[0];
    let theirs = theirs.expect("because it is attached");
    for (session, epoch) in [
        (&mut pair.client, ours),
        (pair.server.as_mut().expect("because dialled"), theirs),
    ] {
        session.close(now, 7, Bytes::new()).expect("because the code is small");
        // All of it is lost.
        while session.poll_transmit(now, epoch, &mut Vec::new()) {}
        assert!(session.closing.has_committed());
    }
    pair.cut();
    pair.narrow = true;
    pair.now = pair.client.wanted_connection().expect("because it closes").not_before;
    pair.dial();
    let server = pair.server.as_ref().expect("because dialled");
    for session in [&pair.client, server] {
        let reason = session.end_reason();
        assert!(matches!(reason, Some(EndReason::Closed { .. })), "{reason:?}");
    }
}
