//! Sessions where tokio's time is paused: their clock is tokio's, and what would take minutes takes none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{Cause, Event};
use unbroken_tokio::{Compat, ConnectError, Connected, Framed, Runtime, Server, Tokio, connect_with};

use crate::common::{client_config, echo_session, server_config};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_backoff_of_minutes_takes_no_time() {
    let (began, clock) = (Instant::now(), Tokio.now());
    let mut server = Server::new(server_config()).unwrap();
    let handle = Arc::clone(server.handle());
    let mut config = client_config();
    (config.backoff.first, config.backoff.base, config.backoff.cap) = (MINUTE, MINUTE, MINUTE);
    let mut dials = 0;
    let connector = move |_| {
        dials += 1;
        let (local, remote) = tokio::io::duplex(8_192);
        if dials > 5 {
            tokio::spawn(Arc::clone(&handle).serve(Connected::ordered(Framed::accepted(Compat(remote)))));
        }
        std::future::ready(match dials {
            ..=5 => Err(ConnectError::new(Cause::Refused)),
            _ => Ok(Connected::ordered(Framed::new(Compat(local)))),
        })
    };
    let session = connect_with(config, connector).unwrap();
    tokio::spawn(async move {
        loop {
            tokio::spawn(echo_session(server.accept().await.session));
        }
    });
    // Five waits of at most a minute each. Where clock and sleep differ, each of thousands of sleeps takes one.
    tokio::time::timeout(6 * MINUTE, session.established())
        .await
        .unwrap()
        .unwrap();
    let (mut send, mut recv) = session.open(StreamOptions::default()).await.unwrap().split();
    send.send(Bytes::from("soon")).await.unwrap();
    assert_eq!(recv.recv().await.unwrap().unwrap(), "soon");
    assert_eq!(Tokio.now().saturating_since(clock), began.elapsed(), "one clock");
    assert_eq!(session.stats().attaches, 1);
    // A peer that falls silent is found by that clock, too.
    let mut events = session.events();
    tokio::time::advance(100 * MINUTE).await;
    send.send(Bytes::from("much later")).await.unwrap();
    assert_eq!(recv.recv().await.unwrap().unwrap(), "much later");
    session.close(0, Bytes::new()).await.unwrap();
    while let Some(event) = events.next().await {
        if matches!(event, Event::Ended(_)) {
            return;
        }
    }
    panic!("the end is an event");
}

#[tokio::test]
async fn the_clock_goes_on_when_time_is_paused_and_resumed() {
    let real = Tokio.now();
    tokio::time::pause();
    let paused = Tokio.now();
    assert!(paused >= real);
    assert_eq!(Tokio.now(), paused, "it stands still");
    tokio::time::advance(MINUTE).await;
    let advanced = Tokio.now();
    assert!(advanced.saturating_since(paused) >= MINUTE);
    tokio::time::resume();
    assert!(Tokio.now() >= advanced);
}
