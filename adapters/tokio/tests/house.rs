//! A server that looks after its sessions: lists, orders, drains, cleans up.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(dead_code, reason = "the helpers are shared")]

mod common;

use bytes::Bytes;
use common::{Carrier, client_config, connect, eventually, server, soon};
use unbroken_tokio::proto::Event;
use unbroken_tokio::proto::event::EndReason;
use unbroken_tokio::proto::server::{Drain, Order, Select};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_found_ordered_about_and_cleaned_up_after_once() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let hub = server.hub();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let collecting = std::sync::Arc::clone(&hub);
    let collector = tokio::spawn(async move {
        loop {
            let over = collecting.ended().await;
            tell.send((over.info.name, over.reason)).unwrap();
        }
    });
    let mut clients = Vec::new();
    let mut far = Vec::new();
    for name in ["one", "two", "three"] {
        let mut config = client_config();
        config.name = name.into();
        clients.push(connect(Carrier::Tcp, address, config));
        far.push(soon("a session", server.accept()).await.session);
    }
    let two = server.registry(|registry, now| {
        let found = registry.find(Select::Name("two"));
        assert!(found.iter().all(|id| registry.label(now, *id, b"picked")));
        found
    });
    assert_eq!(two, [far[1].id().unwrap()]);
    let close = Order::Close {
        code: 3,
        reason: Bytes::from_static(b"that one"),
    };
    let ordered = server.registry(|registry, now| registry.order(now, Select::Label(b"picked"), &close));
    assert_eq!(ordered, 1);
    let ended = soon("the end", clients[1].closed()).await;
    assert!(matches!(ended.reason, EndReason::Closed { code: 3, .. }), "{ended:?}");
    let (name, reason) = soon("the clean-up", told.recv()).await.unwrap();
    assert_eq!(name, "two");
    assert!(matches!(reason, Some(EndReason::Closed { code: 3, .. })), "{reason:?}");
    assert_eq!(
        server.registry(|registry, now| registry.order(now, Select::All, &Order::Abort)),
        2
    );
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(soon("the clean-up", told.recv()).await.unwrap().0);
    }
    names.sort();
    assert_eq!(names, ["one", "three"]);
    eventually("all gone", || server.sessions().is_empty()).await;
    assert!(told.try_recv().is_err(), "each once");
    collector.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_asks_clients_to_leave_and_lets_nobody_new_in() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let client = connect(Carrier::Tcp, address, client_config());
    let _far = soon("a session", server.accept()).await;
    let mut events = client.events();
    let plan = Drain {
        spread: std::time::Duration::from_millis(50),
        within: std::time::Duration::from_secs(30),
        alternate: Bytes::new(),
    };
    server.registry(|registry, now| registry.drain(now, plan));
    soon("the wish", async {
        while !matches!(events.next().await, Some(Event::GoAway { .. })) {}
    })
    .await;
    let _stranger = connect(Carrier::Tcp, address, client_config());
    eventually("the stranger is told", || {
        server.registry(|registry, _| registry.snapshot().refused.draining) > 0
    })
    .await;
    let status = server.registry(|registry, _| registry.draining()).unwrap();
    assert_eq!((status.unasked, status.connected), (0, 1));
}
