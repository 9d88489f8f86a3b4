//! One message to many sessions, over real sockets.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_tokio::proto::event::EndReason;
use unbroken_tokio::proto::server::{Delivery, LagPolicy, Placement, Select};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{RecvHalf, Server, Session};

use crate::common::{Carrier, client_config, connect, eventually, listen, server_config, soon};

fn news() -> StreamOptions {
    StreamOptions::default().with_label(Bytes::from_static(b"news"))
}

/// A server that writes the client's name on its session, as a label.
async fn labelling() -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::with_authorise(server_config(), |request| async move {
        Ok(Placement::of("everybody").labelled(request.name))
    })
    .unwrap();
    listen(&server, Carrier::Tcp, listener);
    (server, address)
}

/// Clients of these names, each with its other end.
async fn clients(server: &mut Server, address: SocketAddr, names: &[&str]) -> Vec<(Session, Session)> {
    let mut all = Vec::new();
    for name in names {
        let mut config = client_config();
        config.name = (*name).into();
        let local = connect(Carrier::Tcp, address, config);
        let remote = soon("a session", server.accept()).await.session;
        all.push((local, remote));
    }
    all
}

async fn listener(session: &Session) -> RecvHalf {
    let stream = soon("the stream", session.accept()).await.unwrap();
    assert_eq!(stream.label(), &b"news"[..]);
    stream.split().1
}

async fn heard(recv: &mut RecvHalf) -> Option<Bytes> {
    soon("a message", recv.recv()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_some_hear_it_in_order_until_the_audience_goes() {
    let (mut server, address) = labelling().await;
    let sessions = clients(&mut server, address, &["east", "west", "east"]).await;
    let broadcaster = server.broadcaster(news(), 1 << 20, LagPolicy::Skip);
    let reached = broadcaster.send(Select::All, Bytes::from("one"));
    assert_eq!((reached.queued, reached.refused.len()), (3, 0));
    let reached = broadcaster.send(Select::Label(b"east"), Bytes::from("two"));
    assert_eq!(reached.queued, 2);
    let reached = broadcaster.send_where(|info| info.name == "west", Bytes::from("three"));
    assert_eq!(reached.queued, 1);
    let nobody = broadcaster.send(Select::Name("north"), Bytes::from("lost"));
    assert_eq!((nobody.queued, nobody.refused.len()), (0, 0));
    drop(broadcaster);
    for (index, second) in [(0, "two"), (1, "three"), (2, "two")] {
        let mut recv = listener(&sessions[index].0).await;
        assert_eq!(heard(&mut recv).await.unwrap(), "one");
        assert_eq!(heard(&mut recv).await.unwrap(), second);
        assert_eq!(heard(&mut recv).await, None, "finished with its broadcaster");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_behind_misses_or_ends_and_delays_nobody() {
    let (mut server, address) = labelling().await;
    let sessions = clients(&mut server, address, &["slow", "quick"]).await;
    let broadcaster = server.broadcaster(news(), 600 << 10, LagPolicy::Skip);
    let mut quick = None;
    let mut missed = 0;
    // The slow one never reads: its windows fill, and then its backlog.
    for number in 0..100u8 {
        let message = Bytes::from(vec![number; 20_000]);
        let reached = broadcaster.send(Select::All, message.clone());
        for (id, delivery) in &reached.refused {
            assert_eq!((Some(*id), *delivery), (sessions[0].1.id(), Delivery::Missed));
            missed += 1;
        }
        let quick = match &mut quick {
            Some(quick) => quick,
            none => none.insert(listener(&sessions[1].0).await),
        };
        assert_eq!(heard(quick).await.unwrap(), message);
    }
    assert!(missed > 0, "2 MB do not fit");
    let strict = server.broadcaster(news(), 100, LagPolicy::End);
    let reached = strict.send(Select::Label(b"slow"), Bytes::from("the end"));
    assert_eq!(reached.refused, [(sessions[0].1.id().unwrap(), Delivery::Ended)]);
    let ended = soon("its end", sessions[0].0.closed()).await;
    assert_eq!(ended.reason, EndReason::AbortedByPeer);
    eventually("it is gone", || server.handle().sessions().len() == 1).await;
}

/// Messages that come faster than a session's owner runs wait for it within the backlog.
#[tokio::test]
async fn a_burst_before_the_owner_runs_is_held_against_the_backlog() {
    let (mut server, address) = labelling().await;
    let sessions = clients(&mut server, address, &["one"]).await;
    let broadcaster = server.broadcaster(news(), 10_000, LagPolicy::Skip);
    // On one thread no owner runs between these.
    let sent = |number: &u8| broadcaster.send(Select::All, Bytes::from(vec![*number; 1_000]));
    let queued: Vec<u8> = (0..100).filter(|number| sent(number).queued == 1).collect();
    assert!((1..=10).contains(&queued.len()), "{queued:?}");
    drop(broadcaster);
    let mut recv = listener(&sessions[0].0).await;
    for number in queued {
        assert_eq!(heard(&mut recv).await.unwrap(), vec![number; 1_000]);
    }
    assert_eq!(heard(&mut recv).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_unasked_declines() {
    let (mut server, address) = labelling().await;
    let sessions = clients(&mut server, address, &["one"]).await;
    let broadcaster = server.broadcaster(news(), 1 << 20, LagPolicy::Skip);
    let ended = sessions[0].1.abort();
    let message = Bytes::from(b"late".to_vec());
    let id = sessions[0].1.id().unwrap();
    soon("the end", ended).await;
    let reached = broadcaster.send(Select::Session(id), message.clone());
    assert_eq!(reached.queued, 0);
    assert!(
        reached
            .refused
            .iter()
            .all(|(_, delivery)| *delivery == Delivery::Declined)
    );
    drop(broadcaster);
    eventually("nobody holds the message", || message.is_unique()).await;
}
