//! Bytes of packets that are not whole yet, on every carrier.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use unbroken_carriers::{Acceptor, Address, MAX_HEAD};
use unbroken_driver::{BoxConnection, ByteStream};

use crate::common;

/// What one end wrote and the other may read so much of.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    held: bool,
    passes: usize,
}

/// One end of a line that can be held up.
struct End {
    input: Arc<Mutex<Way>>,
    output: Arc<Mutex<Way>>,
}

fn line() -> (End, End, Arc<Mutex<Way>>) {
    let (there, back) = (Arc::<Mutex<Way>>::default(), Arc::<Mutex<Way>>::default());
    let near = End {
        input: Arc::clone(&back),
        output: Arc::clone(&there),
    };
    let far = End {
        input: Arc::clone(&there),
        output: back,
    };
    (near, far, there)
}

impl ByteStream for End {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let way = &mut *self.input.lock().unwrap();
        let most = if way.held { way.passes } else { usize::MAX };
        let read = buf.len().min(way.bytes.len()).min(most);
        way.passes = way.passes.saturating_sub(read);
        buf.iter_mut()
            .zip(way.bytes.drain(..read))
            .for_each(|(to, byte)| *to = byte);
        if read == 0 {
            Poll::Pending
        } else {
            Poll::Ready(Ok(read))
        }
    }
    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = parts.iter().flat_map(|part| part.iter().copied());
        let bytes = &mut self.output.lock().unwrap().bytes;
        let before = bytes.len();
        bytes.extend(written);
        Poll::Ready(Ok(bytes.len() - before))
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn read(connection: &mut BoxConnection) -> Poll<usize> {
    let mut cx = Context::from_waker(Waker::noop());
    connection
        .as_mut()
        .poll_next(&mut cx)
        .map(|packet| packet.unwrap().unwrap().len())
}

fn partial(connection: &mut BoxConnection) -> usize {
    Pin::as_mut(connection).take_partial()
}

fn each_half_is_told(address: &Address, acceptor: &Acceptor) {
    let (near, far, there) = line();
    let mut cx = Context::from_waker(Waker::noop());
    let mut far = acceptor.accept(far).connection;
    let mut near = {
        let mut dial = pin!(address.connect(near));
        loop {
            if let Poll::Ready(up) = dial.as_mut().poll(&mut cx) {
                break up.unwrap().connection;
            }
            assert!(read(&mut far).is_pending());
        }
    };
    assert!(read(&mut far).is_pending());
    partial(&mut far);
    for _ in 0..3 {
        near.as_mut().start_send(Bytes::from(vec![7; 8_000])).unwrap();
        assert!(near.as_mut().poll_flush(&mut cx).is_ready());
        there.lock().unwrap().held = true;
        for pass in [4_000, 1, 1_000] {
            there.lock().unwrap().passes = pass;
            assert!(read(&mut far).is_pending());
            assert_eq!(partial(&mut far), pass, "{address:?}");
            assert_eq!(partial(&mut far), 0, "once");
        }
        there.lock().unwrap().held = false;
        assert_eq!(read(&mut far), Poll::Ready(8_000));
        assert!(read(&mut far).is_pending());
        assert_eq!(partial(&mut far), 0, "{address:?}: it is whole");
    }
}

#[test]
fn bytes_of_a_packet_are_told_of() {
    for (address, acceptor) in common::in_clear() {
        each_half_is_told(&address, &acceptor);
    }
}

#[cfg(feature = "tls")]
#[test]
fn bytes_of_a_record_are_told_of() {
    for (address, acceptor) in common::in_tls() {
        each_half_is_told(&address, &acceptor);
    }
}

/// Before there is a connection, bytes of what comes first count: of a request here.
#[test]
fn bytes_of_a_head_are_told_of() {
    let (_near, far, there) = line();
    let mut connection = Acceptor::websocket().accept(far).connection;
    let request = common::request();
    for byte in &request[..20] {
        there.lock().unwrap().bytes.push_back(*byte);
        assert!(read(&mut connection).is_pending());
        assert_eq!(partial(&mut connection), 1);
    }
}

/// Who sends a body without end with a request that is refused does not keep his connection with that.
#[test]
fn what_comes_behind_a_refusal_counts_no_further_than_a_head_may_be() {
    let (_near, far, there) = line();
    let mut connection = Acceptor::websocket().accept(far).connection;
    there
        .lock()
        .unwrap()
        .bytes
        .extend(b"POST / HTTP/1.1\r\nHost: here\r\n\r\n");
    let mut counted = 0;
    for _ in 0..1_000 {
        there.lock().unwrap().bytes.extend([b'x'; 1_000]);
        assert!(read(&mut connection).is_pending());
        counted += partial(&mut connection);
    }
    assert!(counted <= 2 * MAX_HEAD, "{counted}");
}

/// Who pings all the time, as a proxy may, keeps nobody waiting: these are no bytes of a packet.
#[test]
fn pings_are_no_bytes_of_a_packet() {
    let (_near, far, there) = line();
    let mut connection = Acceptor::websocket().accept(far).connection;
    there.lock().unwrap().bytes.extend(common::request());
    assert!(read(&mut connection).is_pending());
    partial(&mut connection);
    for _ in 0..10 {
        there.lock().unwrap().bytes.extend([0x89, 0x80, 1, 2, 3, 4]);
        assert!(read(&mut connection).is_pending());
        assert_eq!(partial(&mut connection), 0);
    }
}
