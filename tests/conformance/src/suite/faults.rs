//! What breaks underneath.

use std::net::TcpListener;
use std::time::Duration;

use unbroken_proto::event::EndReason;
use unbroken_proto::{Cause, Event};

use crate::block::eventually;
use crate::relay::{Plan, Relay};
use crate::suite::streams::{echo_streams, round_trip};
use crate::world::{World, client_config, free_port, pattern, server_config};

/// Data both ways through resets; all of it arrives once and in order.
fn cut(world: &World, cuts: u64, most: u64, seed: u64) {
    let (mut server, address) = world.serve();
    let plan = Plan {
        cuts,
        most,
        seed,
        ..Plan::CALM
    };
    let relay = Relay::new(address, plan);
    let session = world.connect(relay.address());
    let (send, mut recv) = session.open().expect("because the session lives");
    echo_streams(server.accept());
    let total = (cuts * most / 2).max(300_000);
    let messages = (0..total / 7_777).map(|number| pattern(seed + number, 7_777)).collect();
    round_trip(messages, send, &mut *recv);
    assert!(relay.cuts() >= cuts.min(5), "only {} cuts", relay.cuts());
    let ended = session.close(0);
    assert!(matches!(ended.reason, EndReason::Closed { .. }), "{:?}", ended.reason);
    assert!(ended.fates.all_delivered());
    eventually("the server forgot it", || server.sessions() == 0);
}

/// Resets in the middle of data.
pub fn cut_at_random_bytes(world: &World) {
    cut(world, 25, 120_000, 1);
}

/// Resets so early that most fall into an upgrade, a handshake or a resume.
pub fn cut_within_handshakes(world: &World) {
    cut(world, 60, 4_500, 2);
}

/// Nobody listens, then somebody does.
pub fn refused_dials(world: &World) {
    let (listener, address) = free_port();
    drop(listener);
    let session = world.connect(address);
    eventually("a refused dial", || session.connect_error().is_some());
    let mut events = session.events();
    let refused = |event: &Event| matches!(event, Event::Reconnect(attempt) if attempt.cause == Some(Cause::Refused));
    while !events().is_some_and(|event| refused(&event)) {}
    let mut server = world.server.serve(server_config());
    server.listen(
        TcpListener::bind(address).expect("because it was free"),
        world.carrier.acceptor(),
    );
    session.established().expect("because a server is there");
    echo_streams(server.accept());
    let (send, mut recv) = session.open().expect("because the session lives");
    round_trip(vec![pattern(1, 1_000)], send, &mut *recv);
}

/// The listener closes; the connection is cut; the listener comes back. The session is the same.
pub fn the_listener_goes_and_comes_back(world: &World) {
    let (mut server, address) = world.serve();
    let plan = Plan {
        cuts: 1,
        most: 200_000,
        seed: 5,
        ..Plan::CALM
    };
    let relay = Relay::new(address, plan);
    let session = world.connect(relay.address());
    let id = session.established().expect("because a server is there");
    let remote = server.accept();
    echo_streams(remote.another());
    let (send, mut recv) = session.open().expect("because the session lives");
    server.stop_listening();
    let data = std::thread::spawn(move || {
        round_trip(
            (0..200).map(|number| pattern(number, 2_000)).collect(),
            send,
            &mut *recv,
        );
    });
    eventually("dials that nobody answers", || relay.connections() >= 4);
    server.listen(
        TcpListener::bind(address).expect("because it was free"),
        world.carrier.acceptor(),
    );
    data.join().expect("because it goes on");
    assert_eq!(session.established().ok(), Some(id));
    assert_eq!(remote.established().ok(), Some(id));
    assert!(session.stats().attaches >= 2);
}

/// A line that swallows everything and stays open: the session's own heartbeat finds it.
pub fn silent_half_open_connections(world: &World) {
    let mut config = server_config();
    let mut client = client_config();
    for session in [&mut config.session, &mut client.session] {
        session.keepalive_interval = Duration::from_millis(100);
        session.keepalive_timeout = Duration::from_millis(400);
    }
    let (mut server, address) = world.serve_with(config);
    let relay = Relay::new(address, Plan::CALM);
    let session = world.connect_with(relay.address(), client);
    let mut events = session.events();
    session.established().expect("because a server is there");
    echo_streams(server.accept());
    for round in 0..3 {
        let (send, mut recv) = session.open().expect("because the session lives");
        relay.freeze();
        round_trip(
            (0..50).map(|number| pattern(round * 50 + number, 1_000)).collect(),
            send,
            &mut *recv,
        );
    }
    // A host that stalls may lose a connection more, and then for another reason.
    let mut silent = 0;
    while silent < 3 {
        if let Event::Detached { cause } = events().expect("because the session lives") {
            silent += u32::from(matches!(cause, Cause::Heartbeat | Cause::Network));
        }
    }
    assert!(session.close(0).fates.all_delivered());
}

/// A middlebox that cuts what is idle: the heartbeat keeps the connection busy enough.
pub fn idle_cutting_middlebox(world: &World) {
    let mut client = client_config();
    client.session.keepalive_interval = Duration::from_millis(50);
    let (mut server, address) = world.serve();
    let plan = Plan {
        idle: Some(Duration::from_secs(5)),
        ..Plan::CALM
    };
    let relay = Relay::new(address, plan);
    let session = world.connect_with(relay.address(), client);
    session.established().expect("because a server is there");
    echo_streams(server.accept());
    let before = relay.chunks();
    eventually("heartbeats", || relay.chunks() >= before + 20);
    let (send, mut recv) = session.open().expect("because the session lives");
    round_trip(vec![pattern(1, 1_000)], send, &mut *recv);
    assert_eq!((relay.connections(), relay.cuts()), (1, 0));
}
