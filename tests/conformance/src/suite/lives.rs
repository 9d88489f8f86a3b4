//! How sessions move and end.

use std::thread;

use bytes::Bytes;
use unbroken_proto::Duration;
use unbroken_proto::Event;
use unbroken_proto::error::SendRefusal;
use unbroken_proto::event::{EndReason, Swap};

use crate::block::eventually;
use crate::cancel;
use crate::suite::streams::echo_streams;
use crate::world::{World, pattern};

/// What was sent before a close arrives, though nobody reads it until the session is over.
pub fn graceful_close_and_drain(world: &World) {
    let (mut server, address) = world.serve();
    let local = world.connect(address);
    let remote = server.accept();
    for stream in 0..5 {
        let (mut send, _recv) = local.open().expect("because streams are free");
        for number in 0..10 {
            send.send(pattern(stream * 10 + number, 5_000))
                .expect("because it is open");
        }
        send.finish();
    }
    let ended = local.close(1);
    assert!(
        matches!(ended.reason, EndReason::Closed { code: 1, .. }),
        "{:?}",
        ended.reason
    );
    assert!(ended.fates.all_delivered());
    remote.closed();
    let mut streams = 0;
    while let Some((_send, mut recv)) = remote.accept() {
        for number in 0..10 {
            assert_eq!(recv.recv(), Ok(Some(pattern(streams * 10 + number, 5_000))));
        }
        assert_eq!(recv.recv(), Ok(None));
        streams += 1;
    }
    assert_eq!(streams, 5);
    assert!(local.open().is_none() && remote.open().is_none());
    eventually("the server forgot it", || server.sessions() == 0);
}

/// Closes that cross.
pub fn both_close_at_once(world: &World) {
    let (mut server, address) = world.serve();
    let local = world.connect(address);
    let remote = server.accept();
    let other = thread::spawn(move || remote.close(2));
    let one = local.close(1);
    let other = other.join().expect("because it closes");
    for ended in [one, other] {
        assert!(matches!(ended.reason, EndReason::Closed { .. }), "{:?}", ended.reason);
    }
    eventually("the server forgot it", || server.sessions() == 0);
}

/// Every message has a fate, whichever.
pub fn aborts_tell_the_truth(world: &World) {
    let (mut server, address) = world.serve();
    let local = world.connect(address);
    let (mut send, _recv) = local.open().expect("because the session lives");
    let mut sent = 0;
    while sent < 200 && send.try_send(pattern(sent, 10_000)).is_ok() {
        sent += 1;
    }
    let remote = server.accept();
    let ended = local.abort();
    assert_eq!(ended.reason, EndReason::Aborted);
    let streams = ended.fates.streams.iter();
    let told: u64 = streams
        .map(|fate| fate.delivered.messages + fate.unknown.messages + fate.not_delivered.len() as u64)
        .sum();
    assert_eq!(told, sent);
    let refused = send.send(Bytes::new()).expect_err("because the session is over");
    assert_eq!(refused.reason, SendRefusal::SessionClosed);
    assert_eq!(remote.closed().reason, EndReason::AbortedByPeer);
}

/// Swaps by turns from either side, without a gap, while data is under way both ways.
pub fn planned_swaps_while_data_flows(world: &World) {
    let (mut server, address) = world.serve();
    let local = world.connect(address);
    let mut events = local.events();
    let remote = server.accept();
    let mut remote_events = remote.events();
    echo_streams(remote.another());
    let (mut send, mut recv) = local.open().expect("because the session lives");
    for number in 0..4u64 {
        let message = |part: u64| pattern(number * 100 + part, 3_000);
        let (first, last) = (0..50, 50..100);
        first
            .clone()
            .for_each(|part| send.send(message(part)).expect("because it is open"));
        if number % 2 == 0 { &local } else { &remote }.migrate(Duration::from_secs(20));
        last.for_each(|part| send.send(message(part)).expect("because it is open"));
        planned(&mut *events);
        planned(&mut *remote_events);
        for part in 0..100 {
            assert!(recv.recv() == Ok(Some(message(part))), "swap {number}, message {part}");
        }
        // The next can be planned only once both ends have settled this one.
        let settled = || local.stats().outbox_bytes == 0 && remote.stats().outbox_bytes == 0;
        eventually("everything acknowledged", settled);
    }
    assert_eq!(local.stats().replayed_bytes, 0);
    assert!(local.close(0).fates.all_delivered());
}

/// Waits for a planned swap, and sees that there is no other.
fn planned(events: &mut dyn FnMut() -> Option<Event>) {
    loop {
        match events().expect("because the session lives") {
            Event::Attached { swap: Swap::First, .. } => {}
            Event::Attached { swap, gap, .. } => return assert_eq!((swap, gap), (Swap::Planned, Duration::ZERO)),
            Event::Detached { cause } => panic!("detached: {cause}"),
            _ => {}
        }
    }
}

/// The last handle that goes closes the session; the other end and the server learn of it.
pub fn handles_dropped_in_every_order(world: &World) {
    let (mut server, address) = world.serve();
    for order in 0..6 {
        for ours in [true, false] {
            let local = world.connect(address);
            let (mut send, recv) = local.open().expect("because the session lives");
            send.send(Bytes::from("something")).expect("because it is open");
            let remote = server.accept();
            let (remote_send, remote_recv) = remote.accept().expect("because one was opened");
            let dropped = match ours {
                true => (local, send, recv),
                false => (remote.another(), remote_send, remote_recv),
            };
            let witness = if ours {
                remote
            } else {
                drop(remote);
                world.connect(address)
            };
            let (session, send, recv) = dropped;
            match order {
                0 => (drop(session), drop(send), drop(recv)).0,
                1 => (drop(session), drop(recv), drop(send)).0,
                2 => (drop(send), drop(session), drop(recv)).0,
                3 => (drop(send), drop(recv), drop(session)).0,
                4 => (drop(recv), drop(session), drop(send)).0,
                _ => (drop(recv), drop(send), drop(session)).0,
            }
            if ours {
                assert!(matches!(witness.closed().reason, EndReason::Closed { code: 0, .. }));
            } else {
                drop(server.accept());
            }
        }
    }
    eventually("the server forgot them all", || server.sessions() == 0);
}

/// Every call that waits, given up at every point where it waits.
pub fn futures_cancelled_at_every_await(world: &World) {
    let (mut server, address) = world.serve();
    let local = world.connect(address);
    let remote = server.accept();
    let (Some(local), Some(remote)) = (local.handle(), remote.handle()) else {
        // A blocking adapter has no futures.
        return;
    };
    cancel::every_call(&local, &remote);
}
