//! Lines so slow that a packet takes minutes to cross, in virtual time: a slow line is not a dead one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{Acceptor, Address, Compat, Connected, Framed, Server, Session, connect_with};

use crate::common::{client_config, echo_session, server_config};

/// What a socket's buffers hold.
const SOCKET: usize = 64 << 10;

/// What stands on the line.
#[derive(Clone, Copy, Debug)]
enum Carrier {
    Frames,
    WebSocket,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    carrier: Carrier,
    /// Bytes a second, each way.
    rate: u64,
    /// Whether heartbeats go every second and are missed after two.
    hasty: bool,
    /// Bytes after which the line is cut, once.
    cut: Option<u64>,
}

/// One direction of a line: nothing is faster than its rate.
async fn pace(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, rate: u64, cut: Option<u64>) {
    let mut piece = vec![0; usize::try_from(rate / 20).unwrap().max(1)];
    let mut carried = 0;
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        carried += read as u64;
        if cut.is_some_and(|cut| carried > cut) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1) * u32::try_from(read).unwrap() / u32::try_from(rate).unwrap()).await;
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

/// A line of that rate, and its two ends. Both directions go when one is cut.
fn line(rate: u64, cut: Option<u64>) -> (DuplexStream, DuplexStream) {
    let (near, ours) = tokio::io::duplex(SOCKET);
    let (theirs, far) = tokio::io::duplex(SOCKET);
    let (our_read, our_write) = tokio::io::split(ours);
    let (their_read, their_write) = tokio::io::split(theirs);
    tokio::spawn(async move {
        tokio::select! {
            () = pace(our_read, their_write, rate, cut) => {}
            () = pace(their_read, our_write, rate, None) => {}
        }
    });
    (near, far)
}

fn session(case: Case, server: &Server) -> Session {
    let handle = Arc::clone(server.handle());
    let mut config = client_config();
    if case.hasty {
        config.session.keepalive_interval = Duration::from_secs(1);
        config.session.keepalive_timeout = Duration::from_secs(2);
    }
    let mut cut = case.cut;
    let connector = move |_| {
        let (near, far) = line(case.rate, cut.take());
        let accepted = match case.carrier {
            Carrier::Frames => Connected::ordered(Framed::accepted(Compat(far))),
            Carrier::WebSocket => Acceptor::websocket().accept(Compat(far)),
        };
        tokio::spawn(Arc::clone(&handle).serve(accepted));
        async move {
            match case.carrier {
                Carrier::Frames => Ok(Connected::ordered(Framed::new(Compat(near)))),
                Carrier::WebSocket => {
                    Address::parse("ws://slow.example/")
                        .unwrap()
                        .connect(Compat(near))
                        .await
                }
            }
        }
    };
    connect_with(config, connector).unwrap()
}

/// `bytes` there and back, in one message.
async fn echo(case: Case, bytes: usize) {
    let mut server = Server::new(server_config()).unwrap();
    let session = session(case, &server);
    tokio::spawn(async move {
        loop {
            tokio::spawn(echo_session(server.accept().await.session));
        }
    });
    let began = Instant::now();
    let (mut send, mut recv) = session.open(StreamOptions::default()).await.unwrap().split();
    let sent = Bytes::from((0..bytes).map(|n| (n % 251) as u8).collect::<Vec<u8>>());
    send.send(sent.clone()).await.unwrap();
    // Several times what the line takes for it there and back; what is cut off is sent again.
    let limit = Duration::from_secs(60 + 6 * bytes as u64 / case.rate);
    let received = timeout(limit, recv.recv()).await;
    let stats = session.stats();
    let received = received.unwrap_or_else(|_| panic!("{case:?}: {stats:?} {:?}", session.history()));
    assert!(received.unwrap().unwrap() == sent, "{case:?}");
    let attaches = 1 + u64::from(case.cut.is_some());
    assert_eq!(stats.attaches, attaches, "{case:?} after {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_is_not_a_dead_one() {
    for carrier in [Carrier::Frames, Carrier::WebSocket] {
        for rate in [400, 700, 1_000, 2_000, 4_000, 8_000] {
            for hasty in [false, true] {
                let case = Case {
                    carrier,
                    rate,
                    hasty,
                    cut: None,
                };
                echo(case, 60_000).await;
            }
        }
    }
}

/// With the defaults.
#[tokio::test(start_paused = true)]
async fn three_hundred_bits_a_second_are_a_line() {
    for carrier in [Carrier::Frames, Carrier::WebSocket] {
        let case = Case {
            carrier,
            rate: 37,
            hasty: false,
            cut: None,
        };
        echo(case, 20_000).await;
    }
}

/// Whatever is behind it, the server has the confirmation in time.
#[tokio::test(start_paused = true)]
async fn a_slow_line_that_breaks_is_resumed_on_another() {
    for carrier in [Carrier::Frames, Carrier::WebSocket] {
        for rate in [100, 400, 1_000, 4_000] {
            for hasty in [false, true] {
                let case = Case {
                    carrier,
                    rate,
                    hasty,
                    cut: Some(20_000),
                };
                echo(case, 40_000).await;
            }
        }
    }
}
