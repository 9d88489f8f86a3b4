//! Calls with a time limit, and what a session does while nobody calls it.

use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use unbroken_tungstenite::proto::error::SendRefusal;
use unbroken_tungstenite::proto::event::{Closer, EndReason};
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::proto::{Event, session::SessionState};
use unbroken_tungstenite::{RecvError, Runtime, Stepper};

use crate::common::{LIMIT, client_config, connect, eventually, pair, read_all, serve, server_config};

const SHORT: Option<Duration> = Some(Duration::from_millis(1));

#[test]
fn a_receiving_call_that_timed_out_loses_nothing() {
    let (_server, local, remote) = pair();
    let (mut send, mut recv) = local.open(StreamOptions::default()).unwrap().split();
    recv.set_timeout(SHORT);
    assert_eq!(recv.recv(), Err(RecvError::TimedOut));
    assert_eq!(recv.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
    send.send(Bytes::from("there")).unwrap();
    let (mut back, mut there) = remote.accept_within(LIMIT).unwrap().unwrap().split();
    assert_eq!(there.recv().unwrap().unwrap(), "there");
    // Half a message, then a timeout, then the other half.
    back.send(Bytes::from(vec![7; 300_000])).unwrap();
    let whole = loop {
        match recv.recv() {
            Err(RecvError::TimedOut) => {}
            other => break other.unwrap().unwrap(),
        }
    };
    assert_eq!(whole, vec![7; 300_000]);
}

#[test]
fn sending_calls_time_out_and_give_back() {
    let (_server, local, remote) = pair();
    let (mut send, recv) = local.open(StreamOptions::default()).unwrap().split();
    send.set_timeout(SHORT);
    let message = Bytes::from(vec![1; 50_000]);
    let mut sent = 0;
    let refused = loop {
        match send.send(message.clone()) {
            Ok(()) => sent += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.reason, refused.payload), (SendRefusal::Full, message.clone()));
    let refused = send.get_mut().try_send(message.clone()).unwrap_err();
    assert!(matches!(refused.reason, SendRefusal::Full | SendRefusal::Unread));
    assert_eq!(refused.payload, message);
    // Bytes may still fit where a message does not.
    let mut written = 0;
    let error = loop {
        match send.write(&[2; 1_000]) {
            Ok(part) => written += part,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    send.set_timeout(Some(LIMIT));
    send.finish();
    let mut there = remote.accept_within(LIMIT).unwrap().unwrap().split().1;
    for _ in 0..sent {
        assert_eq!(there.recv().unwrap().unwrap(), message);
    }
    let mut rest = Vec::new();
    there.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, vec![2; written]);
    drop(recv);
}

#[test]
fn other_calls_time_out() {
    let mut config = server_config();
    config.session.max_streams = 1;
    let (server, address) = serve(config);
    assert!(server.accept_within(Duration::from_millis(1)).is_none());
    let local = connect(address);
    let remote = server.accept_within(LIMIT).unwrap().session;
    local.established_within(LIMIT).unwrap().unwrap();
    let kept = local.open_within(StreamOptions::default(), LIMIT).unwrap().unwrap();
    let late = local.open_within(StreamOptions::default(), Duration::from_millis(1));
    assert!(late.is_none());
    let theirs = remote.open_within(StreamOptions::default(), LIMIT).unwrap().unwrap();
    assert_eq!(theirs.get_ref().label(), "");
    // Held: dropping it would stop the stream, which is an event at the other end.
    let _held = remote.accept_within(LIMIT).unwrap().unwrap();
    assert!(remote.accept_within(Duration::from_millis(1)).is_none());
    assert!(local.closed_within(Duration::from_millis(1)).is_none());
    let mut events = local.events();
    assert!(events.next_within(Duration::from_millis(1)).is_none());
    drop(kept);
    local.close(3, Bytes::new()).unwrap();
    assert!(events.any(|event| matches!(event, Event::Ended(_))));
    assert!(events.next().is_none());
}

#[test]
fn heartbeats_go_on_while_nobody_calls() {
    let mut server_side = server_config();
    let mut config = client_config();
    for session in [&mut server_side.session, &mut config.session] {
        session.keepalive_interval = Duration::from_millis(20);
        session.keepalive_timeout = Duration::from_secs(20);
    }
    let (server, address) = serve(server_side);
    let local = unbroken_tungstenite::connect_tcp(address.to_string(), config).unwrap();
    let remote = server.accept_within(LIMIT).unwrap().session;
    let before = local.get_ref().stats().packets_received;
    eventually("heartbeats", || local.get_ref().stats().packets_received > before + 20);
    assert_eq!(
        (local.get_ref().stats().attaches, remote.get_ref().stats().attaches),
        (1, 1)
    );
    assert_eq!(local.get_ref().state(), SessionState::Attached);
}

#[test]
fn dropping_the_last_handle_delivers_what_was_sent() {
    let (_server, local, remote) = pair();
    let (mut send, recv) = local.open(StreamOptions::default()).unwrap().split();
    for number in 0..20u8 {
        send.send(Bytes::from(vec![number; 10_000])).unwrap();
    }
    send.finish();
    drop(local);
    drop(recv);
    drop(send);
    let (_back, mut there) = remote.accept_within(LIMIT).unwrap().unwrap().split();
    for number in 0..20u8 {
        assert_eq!(there.recv().unwrap().unwrap(), vec![number; 10_000]);
    }
    assert_eq!(there.recv(), Ok(None));
    let ended = remote.closed_within(LIMIT).unwrap();
    assert!(
        matches!(
            ended.reason,
            EndReason::Closed {
                code: 0,
                by: Closer::Peer,
                ..
            }
        ),
        "{ended:?}"
    );
}

#[test]
fn a_server_that_is_dropped_leaves_its_sessions_alone() {
    let (server, local, remote) = pair();
    drop(server);
    let mut stream = local.open(StreamOptions::default()).unwrap();
    stream.write_all(b"still there").unwrap();
    stream.get_mut().sender().finish();
    assert_eq!(read_all(&remote), "still there");
    assert!(local.close(0, Bytes::new()).unwrap().fates.all_delivered());
}

/// Each waits no longer than it said, and none takes another's place.
#[test]
fn many_threads_accept() {
    let (server, address) = serve(server_config());
    std::thread::scope(|scope| {
        let accepting: Vec<_> = (0..3).map(|_| scope.spawn(|| server.accept_within(LIMIT))).collect();
        assert!(server.accept_within(Duration::from_millis(1)).is_none());
        assert!(
            accepting.iter().all(|accepting| !accepting.is_finished()),
            "they wait on"
        );
        let clients = [(); 3].map(|()| connect(address));
        for accepting in accepting {
            assert!(accepting.join().unwrap().is_some());
        }
        drop(clients);
    });
}

/// Its session is lost, and no other.
#[test]
fn a_task_that_panics_takes_no_other_along() {
    let mut stepper = Stepper::new().unwrap();
    let runtime = stepper.runtime();
    runtime.spawn(async { panic!("as a connector may") });
    runtime.spawn(std::future::pending());
    let stepped = catch_unwind(AssertUnwindSafe(|| stepper.step()));
    assert!(stepped.is_err());
    assert_eq!(stepper.tasks(), 1);
    stepper.step();
    assert_eq!(stepper.tasks(), 1);
}
