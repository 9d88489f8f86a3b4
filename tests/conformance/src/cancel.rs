//! Futures given up: what the documentation calls cancel safe, at every point where it waits.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use unbroken_driver::{RecvError, RecvHalf, SendHalf, Session as SessionHandle, Stream};
use unbroken_proto::event::EndReason;
use unbroken_proto::stream::StreamOptions;

use crate::block::{LIMIT, soon, waker};
use crate::world::pattern;

/// Polls `future` at most `polls` times, waiting to be woken in between, and gives it up.
fn give_up_after<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    for poll in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if poll + 1 < polls {
            thread::park_timeout(LIMIT / 100);
        }
    }
    None
}

/// Calls `make` until one of its futures is not given up, with ever more patience.
fn insist<T, F: Future<Output = T>>(mut make: impl FnMut() -> F) -> T {
    for polls in 0..4 {
        if let Some(output) = give_up_after(polls, make()) {
            return output;
        }
    }
    soon("what was given up before", make())
}

/// Two sessions' ends, and every call on them that waits.
pub fn every_call(local: &SessionHandle, remote: &SessionHandle) {
    for polls in 0..3 {
        assert!(give_up_after(polls, local.closed()).is_none());
        assert!(give_up_after(polls, remote.accept()).is_none());
        let mut events = local.events();
        let _perhaps = give_up_after(polls, events.next());
    }
    insist(|| local.established()).expect("because it is established");
    let stream = opened(local);
    let (mut send, recv) = stream.split();
    soon("a message", send.send(Bytes::from("here"))).expect("because it is open");
    let (remote_send, remote_recv) = accepted(remote);
    messages(send, remote_recv);
    bytes(remote_send, recv);
    // A close that nobody waits for is a close all the same.
    let _given_up = give_up_after(1, local.close(5, Bytes::new()));
    let ended = insist(|| local.close(6, Bytes::new())).expect("because the code fits");
    assert!(
        matches!(ended.reason, EndReason::Closed { code: 5, .. }),
        "{:?}",
        ended.reason
    );
    let again = insist(|| local.closed());
    assert_eq!(ended, again);
    insist(|| remote.closed());
}

/// An `open` that was given up has opened nothing; a stream that is dropped unused is reset by itself, and uses up nothing.
fn opened(local: &SessionHandle) -> Stream {
    for round in 0..200 {
        let _dropped = give_up_after(round % 3, local.open(StreamOptions::default()));
    }
    insist(|| local.open(StreamOptions::default())).expect("because the session lives")
}

/// The stream that is used, behind those that were dropped unused.
fn accepted(remote: &SessionHandle) -> (SendHalf, RecvHalf) {
    loop {
        let (send, mut recv) = insist(|| remote.accept()).expect("because one was opened").split();
        match insist_on(&mut recv) {
            Ok(message) => {
                assert_eq!(message, Some(Bytes::from("here")));
                return (send, recv);
            }
            Err(failure) => assert_eq!(failure, RecvError::Reset(0)),
        }
    }
}

/// A `send` that was given up has sent nothing; one that was ready, once. A `recv` loses nothing.
fn messages(mut send: SendHalf, mut recv: RecvHalf) {
    const MESSAGES: u64 = 600;
    let sending = thread::spawn(move || {
        for number in 0..MESSAGES {
            let message = pattern(number, 3_000);
            let mut polls = number % 2;
            while give_up_after(polls as u32, send.send(message.clone())).is_none() {
                polls += 1;
            }
        }
        send.finish();
    });
    for number in 0..MESSAGES {
        let message = insist_on(&mut recv);
        assert!(message == Ok(Some(pattern(number, 3_000))), "message {number}");
    }
    assert_eq!(insist_on(&mut recv), Ok(None));
    sending.join().expect("because sending ends");
}

fn insist_on(recv: &mut RecvHalf) -> Result<Option<Bytes>, RecvError> {
    for polls in 0..3 {
        if let Some(message) = give_up_after(polls, recv.recv()) {
            return message;
        }
    }
    soon("a message", recv.recv())
}

/// The same for `write` and `read`: what a ready call says was written, was, and no more.
fn bytes(mut send: SendHalf, mut recv: RecvHalf) {
    let sent = pattern(9, 1_500_000);
    let expected = sent.clone();
    let sending = thread::spawn(move || {
        let mut at = 0;
        let mut polls = 0;
        while at < sent.len() {
            let write = poll_fn(|cx| Pin::new(&mut send).poll_write(cx, &sent[at..]));
            polls = match give_up_after(polls, write) {
                Some(written) => {
                    at += written.expect("because it is open");
                    0
                }
                None => polls + 1,
            };
        }
        soon("a close", poll_fn(|cx| Pin::new(&mut send).poll_close(cx))).expect("because it is open");
    });
    let mut received = Vec::new();
    let mut buffer = vec![0; 5_000];
    let mut polls = 0;
    loop {
        let read = poll_fn(|cx| Pin::new(&mut recv).poll_read(cx, &mut buffer));
        match give_up_after(polls, read) {
            Some(read) => {
                let read = read.expect("because it is open");
                if read == 0 {
                    break;
                }
                received.extend_from_slice(&buffer[..read]);
                polls = 0;
            }
            None => polls += 1,
        }
    }
    assert!(received == expected);
    sending.join().expect("because sending ends");
}
