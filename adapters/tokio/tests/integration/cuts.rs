//! Sessions over real sockets that somebody cuts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_tokio::proto::Event;
use unbroken_tokio::proto::event::{EndReason, Swap};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{Events, Server};

use crate::common::{
    self, Carrier, client_config, connect, cutting_relay, listen, pattern, round_trip, server, soon, spawn_echo,
};

/// Data both ways while the line is reset at random bytes; everything arrives once and in order.
async fn cut(carrier: Carrier, cuts: u64, most: u64, seed: u64) {
    let (server, address) = server(carrier).await;
    spawn_echo(server);
    let (relay, done) = cutting_relay(address, cuts, most, seed).await;
    let session = connect(carrier, relay, client_config());
    let (send, mut recv) = session.open(StreamOptions::default()).await.unwrap().split();
    let total = usize::try_from(cuts * most / 3).unwrap().max(100_000);
    let bytes = Bytes::from(pattern(seed, total));
    let messages: Vec<Bytes> = (0..total)
        .step_by(7_777)
        .map(|at| bytes.slice(at..total.min(at + 7_777)))
        .collect();
    assert!(
        round_trip(messages.clone(), send, &mut recv).await == messages,
        "seed {seed}"
    );
    assert!(
        done.load(Ordering::Relaxed) >= cuts.min(10),
        "only {} cuts",
        done.load(Ordering::Relaxed)
    );
    let ended = soon("the end", session.close(0, Bytes::new())).await.unwrap();
    assert!(
        matches!(ended.reason, EndReason::Closed { .. }),
        "seed {seed}: {:?}",
        ended.reason
    );
    assert!(ended.fates.all_delivered());
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_over_tcp() {
    cut(Carrier::Tcp, 150, 100_000, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_over_ws() {
    cut(Carrier::Ws, 150, 100_000, 2).await;
}

/// So short that most fall into a handshake or a resume.
#[tokio::test(flavor = "multi_thread")]
async fn resets_within_handshakes() {
    cut(Carrier::Tcp, 200, 1_500, 3).await;
    cut(Carrier::Ws, 200, 2_500, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_goes_and_comes_back() {
    for carrier in [Carrier::Tcp, Carrier::Ws] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Server::new(common::server_config()).unwrap();
        listen(&server, carrier, listener);
        // One cut makes the client dial again while nobody listens.
        let (relay, done) = cutting_relay(address, 1, 200_000, 5).await;
        let session = connect(carrier, relay, client_config());
        let (send, mut recv) = session.open(StreamOptions::default()).await.unwrap().split();
        tokio::spawn(common::echo_session(soon("a session", server.accept()).await.session));
        soon("its end", server.stop_listening()).await;
        let messages: Vec<Bytes> = (0..400).map(|i| pattern(i, 2_000).into()).collect();
        let whole = tokio::spawn(async move { round_trip(messages.clone(), send, &mut recv).await == messages });
        common::eventually("the cut", || done.load(Ordering::Relaxed) >= 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        listen(&server, carrier, TcpListener::bind(address).await.unwrap());
        assert!(soon("all of it", whole).await.unwrap());
        drop(server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_swaps_while_data_flows() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let session = connect(Carrier::Tcp, address, client_config());
    let mut events = session.events();
    let (send, mut recv) = session.open(StreamOptions::default()).await.unwrap().split();
    let remote = soon("a session", server.accept()).await.session;
    tokio::spawn(common::echo_session(remote.clone()));
    let swapper = session.clone();
    let mut remote_events = remote.events();
    let swapping = tokio::spawn(async move {
        for number in 0..10 {
            // From either side in turn; once both have seen the last swap, since asking to leave a
            // connection that the other end has just left asks for nothing.
            if number % 2 == 0 { &swapper } else { &remote }.migrate(Duration::from_secs(5), Bytes::new());
            planned(&mut events).await;
            planned(&mut remote_events).await;
        }
    });
    let flowing = tokio::spawn(async move {
        let messages: Vec<Bytes> = (0..4_000).map(|i| pattern(i, 5_000).into()).collect();
        assert!(round_trip(messages.clone(), send, &mut recv).await == messages);
    });
    soon("ten planned swaps", swapping).await.unwrap();
    soon("all of it", flowing).await.unwrap();
    let ended = soon("the end", session.close(0, Bytes::new())).await.unwrap();
    assert!(ended.fates.all_delivered());
}

/// Waits for a planned swap, and sees that there is no other.
async fn planned(events: &mut Events) {
    loop {
        match events.next().await {
            Some(Event::Attached {
                swap: Swap::Planned,
                gap,
                ..
            }) => return assert_eq!(gap, Duration::ZERO),
            Some(Event::Detached { cause }) => panic!("detached: {cause:?}"),
            Some(_) => {}
            None => panic!("ended"),
        }
    }
}
