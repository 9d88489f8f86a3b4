//! Sessions over real sockets that nobody cuts.

use bytes::Bytes;
use futures_channel::oneshot;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use unbroken_tokio::proto::error::SendRefusal;
use unbroken_tokio::proto::event::{Closer, EndReason};
use unbroken_tokio::proto::server::Refusal;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{RecvError, Server};

use crate::common::{
    self, Carrier, LIMIT, client_config, connect, eventually, pair, pattern, round_trip, server, soon, spawn_echo,
};

async fn echo_over(carrier: Carrier) {
    let (session, send, mut recv) = pair(carrier).await;
    let sizes = [0, 1, 64, 1_000, 15_999, 16_000, 16_001, 65_535, 300_000];
    let messages: Vec<Bytes> = sizes.iter().map(|size| pattern(*size as u64, *size).into()).collect();
    assert_eq!(round_trip(messages.clone(), send, &mut recv).await, messages);
    let ended = soon("the end", session.close(7, Bytes::from("bye"))).await.unwrap();
    assert_eq!(
        ended.reason,
        EndReason::Closed {
            code: 7,
            reason: Bytes::from("bye"),
            by: Closer::Local
        }
    );
    assert!(ended.fates.all_delivered());
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_over_ws() {
    echo_over(Carrier::Ws).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_over_tcp() {
    echo_over(Carrier::Tcp).await;
}

#[tokio::test]
async fn echo_on_one_thread() {
    echo_over(Carrier::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_with_tokios_traits() {
    let (server, address) = server(Carrier::Ws).await;
    tokio::spawn(async move {
        let mut server = server;
        let session = server.accept().await.session;
        let mut stream = session.accept().await.unwrap();
        let (mut read, mut write) = tokio::io::split(&mut stream);
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
        session.closed().await;
    });
    let session = connect(Carrier::Ws, address, client_config());
    let (mut send, mut recv) = session.open(StreamOptions::default()).await.unwrap().split();
    let sent = pattern(3, 3_000_000);
    let writing = sent.clone();
    tokio::spawn(async move {
        // Tiny writes first, then large ones.
        for byte in &writing[..1_000] {
            send.write_all(&[*byte]).await.unwrap();
        }
        send.write_all(&writing[1_000..]).await.unwrap();
        send.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    soon("all of it", recv.read_to_end(&mut received)).await.unwrap();
    assert!(received == sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_both_ways() {
    let (server, address) = server(Carrier::Tcp).await;
    let mut server = server;
    let client = connect(Carrier::Tcp, address, client_config());
    let remote = soon("a session", server.accept()).await.session;
    let local = {
        let client = client.clone();
        tokio::spawn(common::echo_session(client))
    };
    let mut tasks = Vec::new();
    for number in 0..20u64 {
        let remote = remote.clone();
        tasks.push(tokio::spawn(async move {
            let label = Bytes::from(number.to_string());
            let options = StreamOptions::default().with_label(label);
            let (send, mut recv) = remote.open(options).await.unwrap().split();
            let messages: Vec<Bytes> = (0..50).map(|i| pattern(number * 100 + i, 2_000).into()).collect();
            assert_eq!(round_trip(messages.clone(), send, &mut recv).await, messages);
        }));
    }
    for task in tasks {
        soon("a stream's end", task).await.unwrap();
    }
    soon("the end", remote.close(0, Bytes::new())).await.unwrap();
    assert!(matches!(
        soon("the client's end", client.closed()).await.reason,
        EndReason::Closed { by: Closer::Peer, .. }
    ));
    soon("the echo's end", local).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_at_first_then_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let session = connect(Carrier::Ws, address, client_config());
    let opening = {
        let session = session.clone();
        tokio::spawn(async move { session.open(StreamOptions::default()).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(session.id().is_none());
    let server = Server::new(common::server_config()).unwrap();
    server.listen_ws(TcpListener::bind(address).await.unwrap());
    spawn_echo(server);
    soon("established", session.established()).await.unwrap();
    let (send, mut recv) = soon("a stream", opening).await.unwrap().unwrap().split();
    assert_eq!(
        round_trip(vec![Bytes::from("late")], send, &mut recv).await,
        [Bytes::from("late")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_close_at_once() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let client = connect(Carrier::Tcp, address, client_config());
    let remote = soon("a session", server.accept()).await.session;
    let (one, other) = soon("both ends", async {
        tokio::join!(client.close(1, Bytes::new()), remote.close(2, Bytes::new()))
    })
    .await;
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(matches!(one.reason, EndReason::Closed { .. }), "{one:?}");
    assert!(matches!(other.reason, EndReason::Closed { .. }), "{other:?}");
    eventually("the registry forgot it", || server.handle().sessions().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unread_stream_holds_is_accounted_for() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let client = connect(Carrier::Tcp, address, client_config());
    let (mut send, _recv) = client.open(StreamOptions::default()).await.unwrap().split();
    let remote = soon("a session", server.accept()).await.session;
    let _unread = soon("a stream", remote.accept()).await.unwrap();
    // More than every window and queue in between holds; nobody reads.
    let (full, mut is_full) = oneshot::channel::<()>();
    let sending = tokio::spawn(async move {
        let mut sent = 0u64;
        let message = Bytes::from(vec![1; 10_000]);
        loop {
            tokio::select! {
                result = send.send(message.clone()) => match result { Ok(()) => sent += 1, Err(error) => return (sent, error.reason) },
                () = tokio::time::sleep(std::time::Duration::from_millis(500)) => break,
            }
        }
        drop(full);
        let error = send.send(message).await.unwrap_err();
        (sent, error.reason)
    });
    soon("back-pressure", &mut is_full).await.unwrap_err();
    let ended = soon("the end", client.abort()).await;
    let (sent, reason) = soon("sending's end", sending).await.unwrap();
    assert_eq!(reason, SendRefusal::SessionClosed);
    let told: u64 = ended
        .fates
        .streams
        .iter()
        .map(|s| s.delivered.messages + s.unknown.messages + s.not_delivered.len() as u64)
        .sum();
    assert_eq!(told, sent, "{} streams", ended.fates.streams.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_delays_no_other() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let client = connect(Carrier::Tcp, address, client_config());
    let (mut stalled, _recv) = client.open(StreamOptions::default()).await.unwrap().split();
    stalled.send(Bytes::from_static(b"first")).await.unwrap();
    let remote = soon("a session", server.accept()).await.session;
    let _unread = soon("a stream", remote.accept()).await.unwrap();
    // Until its windows are used up, and as much as may waits behind them.
    eventually("back-pressure", || {
        let full = stalled.try_send(Bytes::from(vec![1; 10_000])).is_err();
        let stats = client.stats();
        full && stats.payload_sent > 200_000 && stats.outbox_bytes > 80_000
    })
    .await;
    tokio::spawn(common::echo_session(remote));
    let (send, mut recv) = client.open(StreamOptions::default()).await.unwrap().split();
    let messages: Vec<Bytes> = (0..200u64).map(|n| Bytes::from(pattern(n, 10_000))).collect();
    let back = soon("all of it", round_trip(messages.clone(), send, &mut recv)).await;
    assert!(back == messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn futures_dropped_in_the_middle_lose_nothing() {
    let (session, mut send, mut recv) = pair(Carrier::Tcp).await;
    let sending = tokio::spawn(async move {
        for number in 0..2_000u32 {
            let mut message = Some(Bytes::from(number.to_be_bytes().to_vec()));
            // Give up often; a message counts as sent only when its future was ready.
            while let Some(payload) = message.take() {
                let again = payload.clone();
                tokio::select! {
                    biased;
                    () = tokio::task::yield_now(), if number % 3 == 0 => message = Some(again),
                    result = send.send(payload) => result.unwrap(),
                }
                if number % 3 == 0 && message.is_some() {
                    send.send(message.take().unwrap()).await.unwrap();
                }
            }
        }
        send.finish();
    });
    let mut expected = 0u32;
    loop {
        let received = tokio::time::timeout(std::time::Duration::from_micros(50), recv.recv()).await;
        match received {
            Err(_) => continue,
            Ok(Ok(Some(message))) => {
                assert_eq!(message, expected.to_be_bytes()[..]);
                expected += 1;
            }
            Ok(end) => {
                assert_eq!(end.unwrap(), None);
                break;
            }
        }
    }
    assert_eq!(expected, 2_000);
    sending.await.unwrap();
    drop(session);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_halves_reset_and_stop() {
    let (mut server, address) = server(Carrier::Tcp).await;
    let client = connect(Carrier::Tcp, address, client_config());
    let remote = soon("a session", server.accept()).await.session;
    let (mut send, recv) = client.open(StreamOptions::default()).await.unwrap().split();
    send.send(Bytes::from("first")).await.unwrap();
    let (mut remote_send, mut remote_recv) = soon("a stream", remote.accept()).await.unwrap().split();
    assert_eq!(soon("first", remote_recv.recv()).await.unwrap().unwrap(), "first");
    drop(send);
    assert_eq!(soon("a reset", remote_recv.recv()).await, Err(RecvError::Reset(0)));
    drop(recv);
    let refusal = soon("a stop", async {
        loop {
            if let Err(error) = remote_send.send(Bytes::from("into the void")).await {
                return error.reason;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    assert_eq!(refusal.await, SendRefusal::Stopped(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_dropped_in_any_order_leave_no_task() {
    let (server, address) = server(Carrier::Ws).await;
    spawn_echo(server);
    let metrics = tokio::runtime::Handle::current().metrics();
    tokio::task::yield_now().await;
    let before = metrics.num_alive_tasks();
    for order in 0..6 {
        let session = connect(Carrier::Ws, address, client_config());
        let (mut send, recv) = soon("a stream", session.open(StreamOptions::default()))
            .await
            .unwrap()
            .split();
        send.send(Bytes::from("something")).await.unwrap();
        // Every other one in the middle of things.
        if order % 2 == 0 {
            soon("established", session.established()).await.unwrap();
        }
        match order {
            0 => (drop(session), drop(send), drop(recv)).0,
            1 => (drop(session), drop(recv), drop(send)).0,
            2 => (drop(send), drop(session), drop(recv)).0,
            3 => (drop(send), drop(recv), drop(session)).0,
            4 => (drop(recv), drop(session), drop(send)).0,
            _ => (drop(recv), drop(send), drop(session)).0,
        }
    }
    eventually("all tasks are gone", || metrics.num_alive_tasks() <= before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwelcome_client_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::with_authorise(common::server_config(), |request| async move {
        if request.name == "friend" {
            Ok(())
        } else {
            Err(Refusal::Unauthorized)
        }
    })
    .unwrap();
    server.listen_tcp(listener);
    let stranger = connect(Carrier::Tcp, address, client_config());
    let ended = soon("the refusal", stranger.established()).await.unwrap_err();
    assert_eq!(ended.reason, EndReason::Unauthorized);
    let mut config = client_config();
    config.name = "friend".into();
    let friend = connect(Carrier::Tcp, address, config);
    soon("established", friend.established()).await.unwrap();
    eventually("the server lists it", || server.handle().sessions().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_let_go() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = common::server_config();
    config.session.handshake_timeout = std::time::Duration::from_millis(200);
    let server = Server::new(config).unwrap();
    server.listen_ws(listener);
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let read = tokio::time::timeout(LIMIT, silent.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

/// What was delivered can be read after the end, however many streams it is on.
#[tokio::test]
async fn streams_nobody_has_accepted_yet_outlive_the_session() {
    const STREAMS: usize = 40;
    let (mut server, address) = server(Carrier::Tcp).await;
    let session = connect(Carrier::Tcp, address, client_config());
    let accepted = soon("the session", server.accept()).await.session;
    for _ in 0..STREAMS {
        let (mut send, _recv) = session.open(StreamOptions::default()).await.unwrap().split();
        send.send(Bytes::from("kept")).await.unwrap();
        send.finish();
    }
    let ended = soon("the end", session.close(0, Bytes::new())).await.unwrap();
    assert!(ended.fates.all_delivered());
    soon("its other end", accepted.closed()).await;
    let mut kept = 0;
    while let Some(mut stream) = soon("a stream", accepted.accept()).await {
        assert_eq!(stream.receiver().recv().await, Ok(Some(Bytes::from("kept"))));
        kept += 1;
    }
    assert_eq!(kept, STREAMS);
}
