//! A server that looks after its sessions: lists, orders, drains, cleans up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use unbroken_tokio::proto::config::Seed;
use unbroken_tokio::proto::event::EndReason;
use unbroken_tokio::proto::server::{Drain, Placement, Select, SessionCommand};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{self, Event, Instant, PeerPrefix};
use unbroken_tokio::{Compat, Connected, Framed, Server, ServerHandle};

use crate::common::{self, Carrier, client_config, connect, eventually, server, soon};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_found_ordered_about_and_cleaned_up_after_once() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let handle = Arc::clone(server.handle());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let collecting = Arc::clone(&handle);
    let collector = tokio::spawn(async move {
        loop {
            let over = collecting.ended().await;
            tell.send((over.info.name, over.reason)).unwrap();
        }
    });
    let mut clients = Vec::new();
    let mut remote = Vec::new();
    for name in ["one", "two", "three"] {
        let mut config = client_config();
        config.name = name.into();
        clients.push(connect(Carrier::Tcp, address, config));
        remote.push(soon("a session", server.accept()).await.session);
    }
    let two = server.handle().registry(|registry, now| {
        let found = registry.find(Select::Name("two"));
        assert!(found.iter().all(|id| registry.label(now, *id, b"picked")));
        found
    });
    assert_eq!(two, [remote[1].id().unwrap()]);
    let close = SessionCommand::Close {
        code: 3,
        reason: Bytes::from_static(b"that one"),
    };
    let ordered = server
        .handle()
        .registry(|registry, now| registry.command(now, Select::Label(b"picked"), &close));
    assert_eq!(ordered, Ok(1));
    let ended = soon("the end", clients[1].closed()).await;
    assert!(matches!(ended.reason, EndReason::Closed { code: 3, .. }), "{ended:?}");
    let (name, reason) = soon("the clean-up", told.recv()).await.unwrap();
    assert_eq!(name, "two");
    assert!(matches!(reason, Some(EndReason::Closed { code: 3, .. })), "{reason:?}");
    assert_eq!(
        server
            .handle()
            .registry(|registry, now| registry.command(now, Select::All, &SessionCommand::Abort)),
        Ok(2)
    );
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(soon("the clean-up", told.recv()).await.unwrap().0);
    }
    names.sort();
    assert_eq!(names, ["one", "three"]);
    eventually("all gone", || server.handle().sessions().is_empty()).await;
    assert!(told.try_recv().is_err(), "each once");
    collector.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_asks_clients_to_leave_and_lets_nobody_new_in() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let client = connect(Carrier::Tcp, address, client_config());
    let _remote = soon("a session", server.accept()).await;
    let mut events = client.events();
    let plan = Drain::within(std::time::Duration::from_secs(30)).with_spread(std::time::Duration::from_millis(50));
    server.handle().registry(|registry, now| registry.drain(now, plan));
    soon("the wish", async {
        while !matches!(events.next().await, Some(Event::GoAway { .. })) {}
    })
    .await;
    let _stranger = connect(Carrier::Tcp, address, client_config());
    eventually("the stranger is told", || {
        server
            .handle()
            .registry(|registry, _| registry.snapshot().refused.draining)
            > 0
    })
    .await;
    let status = server.handle().registry(|registry, _| registry.draining()).unwrap();
    assert_eq!((status.unasked, status.connected), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_awaited_until_nobody_is_left_or_its_time_is_over() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let handle = Arc::clone(server.handle());
    assert_eq!(handle.drained().await, None, "there is none");
    let client = connect(Carrier::Tcp, address, client_config());
    let remote = soon("a session", server.accept()).await.session;
    let plan = |within| {
        Drain::within(within)
            .with_spread(std::time::Duration::ZERO)
            .with_alternate(Bytes::from_static(b"elsewhere"))
    };
    let remains = soon("its end", handle.drain(plan(std::time::Duration::from_millis(30)))).await;
    assert_eq!(remains.unwrap().connected, 1, "{remains:?}");
    // Subscribed first: the wish is there in no time.
    let mut events = client.events();
    let waiting = tokio::spawn(async move { handle.drain(plan(common::LIMIT)).await });
    soon("the wish", async {
        while !matches!(events.next().await, Some(Event::GoAway { alternate, .. }) if alternate == "elsewhere") {}
    })
    .await;
    client.close(0, Bytes::new()).await.unwrap();
    soon("the other end", remote.closed()).await;
    let remains = soon("its end", waiting).await.unwrap().unwrap();
    assert_eq!((remains.connected, remains.detached), (0, 0));
    server.handle().registry(|registry, now| registry.stop_draining(now));
    let client = connect(Carrier::Tcp, address, client_config());
    soon("welcome again", client.established()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_drain_hears_that_it_was_stopped() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let _client = connect(Carrier::Tcp, address, client_config());
    let _remote = soon("a session", server.accept()).await.session;
    let plan = Drain::within(common::LIMIT * 3).with_spread(common::LIMIT * 3);
    let handle = Arc::clone(server.handle());
    let (tell, waits) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let waiting = tokio::spawn(async move {
        let mut drained = std::pin::pin!(handle.drain(plan));
        std::future::poll_fn(|cx| {
            let status = drained.as_mut().poll(cx);
            tell.take().map(|tell| tell.send(()));
            status
        })
        .await
    });
    soon("it waits", waits).await.unwrap();
    server.handle().registry(|registry, now| registry.stop_draining(now));
    assert_eq!(soon("its end", waiting).await.unwrap(), None);
}

/// Polls once: whether there is nothing yet.
async fn waits<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// A pipe whose reader panics once it is armed.
struct Bomb(tokio::io::DuplexStream, Arc<AtomicBool>);

impl AsyncRead for Bomb {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        assert!(!self.1.load(Ordering::Relaxed), "as planned");
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Bomb {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_panics_is_cleaned_up_after_and_its_handles_learn_of_it() {
    let mut server = Server::new(common::server_config()).unwrap();
    let handle = Arc::clone(server.handle());
    let armed = Arc::new(AtomicBool::new(false));
    let (local, remote) = tokio::io::duplex(8_192);
    let mut pipe = Some(Connected::ordered(Framed::new(Compat(local))));
    server.serve(Connected::ordered(Framed::accepted(Compat(Bomb(
        remote,
        Arc::clone(&armed),
    )))));
    let client = unbroken_tokio::connect_with(client_config(), move |_| {
        std::future::ready(pipe.take().ok_or_else(|| io::ErrorKind::ConnectionRefused.into()))
    })
    .unwrap();
    let session = soon("a session", server.accept()).await.session;
    // What is over is kept from the first time on that somebody asks.
    let mut ended = std::pin::pin!(handle.ended());
    assert!(waits(ended.as_mut()).await);
    eventually("it is known", || server.handle().sessions().len() == 1).await;
    armed.store(true, Ordering::Relaxed);
    // Something to read.
    let (mut send, _recv) = client.open(StreamOptions::default()).await.unwrap().split();
    let _ended = send.send(Bytes::from("light")).await;
    let over = soon("the clean-up", ended).await;
    assert_eq!(
        (Some(over.info.id), over.reason),
        (session.id(), Some(EndReason::Aborted))
    );
    assert_eq!(soon("the end", session.closed()).await.reason, EndReason::Aborted);
    assert!(server.handle().sessions().is_empty());
    server.handle().registry(|_, _| ());
    let mut again = std::pin::pin!(handle.ended());
    assert!(waits(again.as_mut()).await, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_placed_limited_and_prolonged() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = common::server_config();
    config.max_sessions_per_identity = 1;
    config.peer_prefix = PeerPrefix { v4: 32, v6: 128 };
    let mut server = Server::with_authorise(config, |request| async move {
        Ok(Placement::of(request.name).labelled("gate 1"))
    })
    .unwrap();
    server.listen_tcp(listener);
    let mut alice = client_config();
    alice.name = "alice".into();
    let first = connect(Carrier::Tcp, address, alice.clone());
    let remote = soon("a session", server.accept()).await.session;
    let _second = connect(Carrier::Tcp, address, alice);
    eventually("the second finds no room", || {
        server.handle().snapshot().refused.identity_limit > 0
    })
    .await;
    let found = server.handle().find(Select::Identity(b"alice"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].labels[..], &found[0].name[..]),
        (&[Bytes::from("gate 1")][..], "alice")
    );
    assert_ne!(
        server.handle().peer_key([127, 0, 0, 1].into()),
        server.handle().peer_key([127, 0, 0, 2].into())
    );
    let day = std::time::Duration::from_secs(86_400);
    assert_eq!(
        server
            .handle()
            .command(Select::Label(b"gate 1"), &SessionCommand::Lifetime(day)),
        Ok(1)
    );
    first.set_detached_lifetime(day);
    assert_eq!(
        server
            .handle()
            .command_where(|info| info.name == "bob", &SessionCommand::Abort),
        Ok(0)
    );
    assert_eq!(
        server
            .handle()
            .command_where(|info| info.name == "alice", &SessionCommand::Abort),
        Ok(1)
    );
    soon("its end", remote.closed()).await;
}

/// A HELLO as a client would say it, in its chunk.
fn hello() -> Vec<u8> {
    let now = Instant::from_millis(1);
    let mut client = proto::Session::connect(client_config(), Seed([3; 32]), now).unwrap();
    let epoch = client.attach(now, proto::Carrier::ordered()).unwrap();
    let mut packet = vec![0, 0];
    assert!(client.poll_transmit(now, epoch, &mut packet));
    let length = u16::try_from(packet.len() - 2).unwrap();
    packet[..2].copy_from_slice(&length.to_be_bytes());
    packet
}

/// The one whose HELLO is oldest goes, whenever it was accepted.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_handshakes_displace_the_oldest_of_them() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = common::server_config();
    config.max_handshakes = 2;
    config.session.handshake_timeout = 2 * common::LIMIT;
    let server = Server::new(config).unwrap();
    server.listen_tcp(listener);
    let mut strangers = Vec::new();
    for number in 1..4 {
        strangers.push(TcpStream::connect(address).await.unwrap());
        eventually("it is accepted", || server.handle().snapshot().silent == number).await;
    }
    for (said, index) in [(1, 1), (2, 0), (2, 2)] {
        strangers[index].write_all(&hello()).await.unwrap();
        // The answer; then it is waited for.
        assert!(soon("CHALLENGE", strangers[index].read(&mut [0; 512])).await.unwrap() > 2);
        assert_eq!(server.handle().snapshot().handshakes, said);
    }
    let gone = soon("its end", strangers[1].read(&mut [0; 512])).await;
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
    for index in [0, 2] {
        let waits = strangers[index].try_read(&mut [0; 512]);
        assert_eq!(waits.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_nothing_holds_a_bounded_number_of_sessions_and_no_dead_ones() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let count = |handle: &ServerHandle| handle.sessions().len();
    let mut clients = Vec::new();
    for _ in 0..150 {
        clients.push(connect(Carrier::Tcp, address, client_config()));
    }
    eventually("the backlog is full", || count(server.handle()) == 128).await;
    let established = clients.iter().filter(|client| client.id().is_some()).count();
    assert_eq!(established, 128, "the others were told to come later");
    // Those that are over wait no longer, and leave room.
    let mut gone = Vec::new();
    for client in clients.extract_if(.., |client| client.id().is_some()).take(100) {
        gone.push(client.id());
        client.abort().await;
    }
    eventually("the others come", || clients.iter().all(|client| client.id().is_some())).await;
    for _ in 0..50 {
        let accepted = soon("a session", server.accept()).await;
        assert!(!gone.contains(&accepted.session.id()), "a dead session was handed out");
    }
}
