use super::*;
use crate::security::ServerAuth;

fn pending(max_silent: usize, max_handshakes: usize) -> PendingConnections {
    let mut config = ServerConfig::new(ServerAuth::anonymous());
    (config.max_silent, config.max_handshakes) = (max_silent, max_handshakes);
    config.session.handshake_timeout = Duration::from_secs(10);
    PendingConnections::new(&config)
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

// PROTOCOL R2.6
#[test]
fn the_oldest_silent_one_goes() {
    let mut pending = pending(2, 2);
    let connections = [0, 1, 2].map(|second| pending.accept(at(second), Carrier::ordered()));
    assert_eq!(
        connections.map(|connection| pending.holds(connection)),
        [false, true, true]
    );
    assert_eq!(pending.spoke(connections[0]), None);
}

// PROTOCOL R2.6
#[test]
fn handshakes_have_a_bound_of_their_own_in_the_order_of_their_hellos() {
    let mut pending = pending(8, 2);
    let connections = [0, 1, 2, 3].map(|second| pending.accept(at(second), Carrier::ordered()));
    for index in [2, 0, 1] {
        let silent = pending.spoke(connections[index]).expect("it waits");
        pending.begin_handshake(connections[index], silent);
    }
    assert_eq!(
        connections.map(|connection| pending.holds(connection)),
        [true, true, false, true]
    );
    assert!(!pending.leave(connections[2]));
    assert!(pending.leave(connections[0]));
    assert!(!pending.leave(connections[0]));
    assert_eq!(pending.len(), 2);
}

#[test]
fn each_that_is_let_go_is_told_once_and_the_list_is_bounded() {
    let mut pending = pending(2, 2);
    let connections = [0, 1, 2, 3, 4].map(|second| pending.accept(at(second), Carrier::ordered()));
    for index in [4, 3] {
        let silent = pending.spoke(connections[index]).expect("it waits");
        pending.begin_handshake(connections[index], silent);
    }
    let next = pending.accept(at(4), Carrier::ordered());
    let silent = pending.spoke(next).expect("it waits");
    pending.begin_handshake(next, silent);
    // By the order of HELLOs, not of accepts.
    let told: alloc::vec::Vec<_> = core::iter::from_fn(|| pending.poll_unwanted()).collect();
    assert_eq!(told, [connections[0], connections[1], connections[2], connections[4]]);
    assert!(pending.leave(next), "what its host let go is told nobody");
    pending.expire(at(60));
    assert_eq!(pending.poll_unwanted(), Some(connections[3]));
    assert_eq!(pending.poll_unwanted(), None);
    (0..100).for_each(|_| _ = pending.accept(at(61), Carrier::ordered()));
    assert_eq!(core::iter::from_fn(|| pending.poll_unwanted()).count(), 4);
}

// PROTOCOL R2.9
#[test]
fn all_of_it_lives_for_the_handshake_timeout_from_accept() {
    let mut pending = pending(8, 8);
    let early = pending.accept(at(0), Carrier::ordered());
    let late = pending.accept(at(1), Carrier::ordered());
    let silent = pending.spoke(early).expect("it waits");
    pending.begin_handshake(early, silent);
    assert_eq!(pending.deadline(), Some(at(10)));
    pending.expire(Instant::from_millis(9_999));
    assert!(pending.holds(early));
    pending.expire(at(10));
    assert!(!pending.holds(early) && pending.holds(late));
    assert_eq!(pending.deadline(), Some(at(11)));
    pending.expire(at(11));
    assert_eq!((pending.len(), pending.turns.len(), pending.deadline()), (0, 0, None));
}

#[test]
fn a_clock_that_falls_back_keeps_deadlines_in_order() {
    let mut pending = pending(8, 8);
    pending.accept(at(50), Carrier::ordered());
    pending.accept(at(1), Carrier::ordered());
    pending.expire(at(60));
    assert_eq!(pending.len(), 0);
}

fn proving(pending: &mut PendingConnections, peer: PeerKey) -> ConnectionId {
    let connection = pending.accept(at(0), Carrier::ordered().from_peer(peer));
    let silent = pending.spoke(connection).expect("it waits");
    pending.begin_handshake(connection, silent);
    connection
}

fn client(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

/// A host that never decides about one client is in nobody else's way, not even in that of the neighbours.
#[test]
fn who_waits_for_a_decision_counts_against_himself() {
    let mut pending = pending(64, 64);
    (pending.max_per_peer, pending.max_per_client) = (4, 3);
    let peer = PeerKey::opaque(b"street");
    for _ in 0..3 {
        assert!(pending.has_room_for(Some(peer)));
        let connection = proving(&mut pending, peer);
        assert!(pending.ask(connection, client(1)));
        assert!(pending.ask(connection, client(1)), "asked twice, it counts once");
    }
    let fourth = proving(&mut pending, peer);
    assert!(!pending.ask(fourth, client(1)), "as many as he may have");
    pending.leave(fourth);
    let neighbour = proving(&mut pending, peer);
    assert!(pending.has_room_for(Some(peer)) && pending.ask(neighbour, client(2)));
    pending.expire(at(10));
    assert_eq!((pending.len(), pending.proving.0.len()), (0, 0));
    assert_eq!((pending.undecided.0.len(), pending.undecided_clients.0.len()), (0, 0));
}

/// Keys cost nothing: whoever has many takes the place of his own, and leaves others theirs.
#[test]
fn where_too_many_from_one_place_wait_for_a_decision_the_oldest_goes() {
    let mut pending = pending(64, 64);
    (pending.max_per_peer, pending.max_per_client) = (4, 3);
    let (street, other) = (PeerKey::opaque(b"street"), PeerKey::opaque(b"other"));
    let elsewhere = proving(&mut pending, other);
    assert!(pending.ask(elsewhere, client(0)));
    let proving_still = proving(&mut pending, street);
    let asked = [1, 2, 3, 4, 5].map(|number| {
        let connection = proving(&mut pending, street);
        assert!(pending.ask(connection, client(number)));
        connection
    });
    assert_eq!(
        asked.map(|connection| pending.holds(connection)),
        [false, true, true, true, true]
    );
    assert!(pending.holds(elsewhere) && pending.holds(proving_still));
    assert_eq!(pending.poll_unwanted(), Some(asked[0]));
}

// PROTOCOL R7.10
#[test]
fn bytes_of_a_packet_under_way_prolong_the_wait_for_it_and_no_other() {
    let mut pending = pending(8, 8);
    let slow = pending.accept(at(0), Carrier::ordered());
    let silent = pending.accept(at(0), Carrier::ordered());
    for second in 1..=30 {
        pending.on_partial(at(second), slow, 37);
        pending.expire(at(second));
    }
    assert!(pending.holds(slow) && !pending.holds(silent));
    assert_eq!(pending.deadline(), Some(at(40)), "the usual wait from the last one on");
    let spoke = pending.spoke(slow).expect("it waits");
    assert_eq!(spoke.deadline, at(40));
    assert_eq!((pending.deadline(), pending.on_partial(at(31), slow, 1)), (None, None));
}

#[test]
fn whom_a_connection_comes_from_is_learnt_before_it_speaks() {
    let mut pending = pending(2, 2);
    let [peer, other] = [b"a", b"b"].map(|name| PeerKey::opaque(name));
    let connection = pending.accept(at(0), Carrier::ordered());
    pending.comes_from(connection, peer);
    let silent = pending.spoke(connection).expect("it waits");
    assert_eq!(silent.carrier.peer(), Some(peer));
    pending.comes_from(connection, other);
    assert_eq!(pending.spoke(connection), None, "it is not silent again");
}
