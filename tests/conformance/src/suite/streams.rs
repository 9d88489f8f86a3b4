//! What streams do when nothing breaks.

use std::io::{Read, Write};
use std::thread;

use bytes::Bytes;
use unbroken_driver::RecvError;
use unbroken_proto::error::SendRefusal;
use unbroken_proto::event::{Closer, EndReason};

use crate::adapter::{Receiver, Sender, Session};
use crate::block::eventually;
use crate::world::{World, pattern};

/// Echoes every message of every stream on a thread of its own, until the session is over.
pub fn echo_streams(session: Box<dyn Session>) {
    thread::spawn(move || {
        while let Some((mut send, mut recv)) = session.accept() {
            thread::spawn(move || {
                while let Ok(Some(message)) = recv.recv() {
                    if send.send(message).is_err() {
                        return;
                    }
                }
                send.finish();
            });
        }
    });
}

/// Sends `messages` on a thread, and sees them all come back, in order.
pub fn round_trip(messages: Vec<Bytes>, mut send: Box<dyn Sender>, recv: &mut dyn Receiver) {
    let sent = messages.clone();
    let sending = thread::spawn(move || {
        for message in sent {
            send.send(message).expect("because the session lives");
        }
        send.finish();
    });
    for (number, message) in messages.iter().enumerate() {
        let received = recv.recv().expect("because the stream lives");
        assert!(
            received.as_ref() == Some(message),
            "message {number} of {}",
            messages.len()
        );
    }
    assert_eq!(recv.recv(), Ok(None), "nothing else follows");
    sending.join().expect("because sending succeeds");
}

/// Two ends of a session and of a stream, opened by the first.
struct Pair {
    local: Box<dyn Session>,
    remote: Box<dyn Session>,
    send: Box<dyn Sender>,
    recv: Box<dyn Receiver>,
    remote_send: Box<dyn Sender>,
    remote_recv: Box<dyn Receiver>,
    _server: Box<dyn crate::Server>,
}

fn pair(world: &World) -> Pair {
    let (mut server, address) = world.serve();
    let local = world.connect(address);
    let (mut send, recv) = local.open().expect("because the session lives");
    // The peer learns of a stream by what is sent on it.
    send.send(Bytes::from("first")).expect("because the session lives");
    let remote = server.accept();
    let (remote_send, mut remote_recv) = remote.accept().expect("because one was opened");
    assert_eq!(remote_recv.recv(), Ok(Some(Bytes::from("first"))));
    Pair {
        local,
        remote,
        send,
        recv,
        remote_send,
        remote_recv,
        _server: server,
    }
}

/// Messages of all kinds of sizes come back; both ends agree who they are and how it ended.
pub fn echo(world: &World) {
    let (mut server, address) = world.serve();
    let session = world.connect(address);
    let remote = server.accept();
    assert_eq!(session.established().ok(), remote.established().ok());
    echo_streams(remote.another());
    let (send, mut recv) = session.open().expect("because the session lives");
    let sizes = [0, 1, 64, 1_000, 15_999, 16_000, 16_001, 65_535, 300_000];
    round_trip(sizes.map(|size| pattern(size as u64, size)).to_vec(), send, &mut *recv);
    let ended = session.close(7);
    let by_us = matches!(
        ended.reason,
        EndReason::Closed {
            code: 7,
            by: Closer::Local,
            ..
        }
    );
    assert!(by_us && ended.fates.all_delivered(), "{:?}", ended.reason);
    let by_them = remote.closed();
    let by_them = matches!(
        by_them.reason,
        EndReason::Closed {
            code: 7,
            by: Closer::Peer,
            ..
        }
    );
    assert!(by_them);
    eventually("the server forgot it", || server.sessions() == 0);
}

/// The opener finishes; the other direction goes on.
pub fn half_close_both_ways(world: &World) {
    let mut pair = pair(world);
    pair.send.send(Bytes::from("last")).expect("because it is open");
    pair.send.finish();
    assert_eq!(pair.remote_recv.recv(), Ok(Some(Bytes::from("last"))));
    assert_eq!(pair.remote_recv.recv(), Ok(None));
    let refused = pair.send.send(Bytes::from("late")).expect_err("because it is finished");
    assert_eq!(
        (refused.reason, &refused.payload[..]),
        (SendRefusal::StreamClosed, &b"late"[..])
    );
    for number in 0..100 {
        pair.remote_send
            .send(pattern(number, 1_000))
            .expect("because this half is open");
        assert_eq!(pair.recv.recv(), Ok(Some(pattern(number, 1_000))));
    }
    pair.remote_send.finish();
    assert_eq!(pair.recv.recv(), Ok(None));
    assert_eq!(pair.recv.recv(), Ok(None), "the end stays");
    assert!(pair.local.close(0).fates.all_delivered());
}

/// The accepting end finishes first.
pub fn half_closed_by_the_server(world: &World) {
    let mut pair = pair(world);
    pair.remote_send.finish();
    assert_eq!(pair.recv.recv(), Ok(None));
    for number in 0..100 {
        pair.send
            .send(pattern(number, 1_000))
            .expect("because this half is open");
        assert_eq!(pair.remote_recv.recv(), Ok(Some(pattern(number, 1_000))));
    }
    pair.send.finish();
    assert_eq!(pair.remote_recv.recv(), Ok(None));
    assert!(pair.remote.close(0).fates.all_delivered());
}

/// Streams as std's readers and writers.
pub fn bytes_with_io_traits(world: &World) {
    let Pair {
        local,
        remote: _remote,
        mut send,
        mut recv,
        mut remote_send,
        mut remote_recv,
        _server,
    } = pair(world);
    let sent = pattern(3, 2_000_000);
    let writing = sent.clone();
    let writer = thread::spawn(move || {
        // Tiny writes first, then large ones.
        for byte in &writing[..500] {
            send.write_all(&[*byte]).expect("because it is open");
        }
        send.write_all(&writing[500..]).expect("because it is open");
        send.finish();
    });
    let copying = thread::spawn(move || {
        let copied = std::io::copy(&mut remote_recv, &mut remote_send).expect("because it is open");
        remote_send.finish();
        copied
    });
    let mut received = Vec::new();
    recv.read_to_end(&mut received).expect("because it is open");
    assert!(received == sent);
    assert_eq!(copying.join().expect("because copying ends"), sent.len() as u64);
    writer.join().expect("because writing ends");
    assert!(local.close(0).fates.all_delivered());
}

/// Nobody reads: sending is refused within bounds, and nothing is lost once somebody does.
pub fn back_pressure(world: &World) {
    let mut pair = pair(world);
    let message = |number: u64| pattern(number, 10_000);
    let mut sent = 0;
    let mut refused_at = None;
    eventually("back-pressure", || {
        match pair.send.try_send(message(sent)) {
            Ok(()) => sent += 1,
            Err(error) => {
                assert!(matches!(error.reason, SendRefusal::Full | SendRefusal::Unread));
                assert!(error.payload == message(sent), "it comes back whole");
                // Full for good only if nothing drains behind it any more.
                let full = refused_at == Some((sent, pair.local.stats().packets_sent));
                refused_at = Some((sent, pair.local.stats().packets_sent));
                return full;
            }
        }
        assert!(sent < 10_000, "100 MB are nowhere");
        false
    });
    for number in 0..sent {
        assert!(
            pair.remote_recv.recv() == Ok(Some(message(number))),
            "message {number} of {sent}"
        );
    }
    pair.send.send(Bytes::from("room again")).expect("because it was read");
    assert_eq!(pair.remote_recv.recv(), Ok(Some(Bytes::from("room again"))));
}

/// Thousands of next to nothing, a few of much.
pub fn tiny_and_large_messages(world: &World) {
    let (mut server, address) = world.serve();
    let session = world.connect(address);
    echo_streams(server.accept());
    let (send, mut recv) = session.open().expect("because the session lives");
    let mut messages: Vec<Bytes> = (0..3_000).map(|number| pattern(number, number as usize % 4)).collect();
    messages.extend((0..4).map(|number| pattern(number, 900_000)));
    messages.extend((0..100).map(|number| pattern(number, 1)));
    round_trip(messages, send, &mut *recv);
}

/// More streams at once than were ever asked for before, from both ends.
pub fn many_streams(world: &World) {
    let (mut server, address) = world.serve();
    let local = world.connect(address);
    let remote = server.accept();
    echo_streams(local.another());
    echo_streams(remote.another());
    // All of it fits the windows while nobody reads: who sends everything first must not wait for himself.
    let mut open = Vec::new();
    for number in 0..40 {
        let from = if number % 2 == 0 { &local } else { &remote };
        open.push((number, from.open().expect("because streams are free")));
    }
    for (number, (send, _)) in &mut open {
        for message in 0..20 {
            send.send(pattern(*number * 100 + message, 300))
                .expect("because it is open");
        }
        send.finish();
    }
    for (number, (_, recv)) in &mut open {
        for message in 0..20 {
            assert_eq!(recv.recv(), Ok(Some(pattern(*number * 100 + message, 300))));
        }
        assert_eq!(recv.recv(), Ok(None));
    }
    assert!(local.close(0).fates.all_delivered());
}

/// Either end breaks a stream off; the session and its other streams do not notice.
pub fn resets_and_stops(world: &World) {
    let mut first = pair(world);
    first.send.reset(3);
    assert_eq!(first.remote_recv.recv(), Err(RecvError::Reset(3)));
    first.recv.stop(4);
    eventually("a stop", || {
        match first.remote_send.try_send(Bytes::from("into the void")) {
            Err(error) if error.reason == SendRefusal::Stopped(4) => true,
            Ok(()) => false,
            Err(error) => {
                assert!(matches!(error.reason, SendRefusal::Full | SendRefusal::Unread));
                false
            }
        }
    });
    echo_streams(first.remote.another());
    let (send, mut recv) = first.local.open().expect("because the session lives");
    round_trip(vec![Bytes::from("as before")], send, &mut *recv);
    // Dropping the halves says the same, with code 0.
    let (mut send, recv) = first.local.open().expect("because the session lives");
    send.send(Bytes::from("something")).expect("because it is open");
    drop((send, recv));
    let (send, mut recv) = first.local.open().expect("because the session lives");
    round_trip(vec![Bytes::from("still as before")], send, &mut *recv);
}
