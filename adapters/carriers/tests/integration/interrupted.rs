//! Byte streams that signals interrupt, that are not ready, and that take and give a byte or a few, in the order of a seed.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use unbroken_carriers::{Acceptor, Address};
use unbroken_driver::{BoxConnection, ByteStream, Connected};

use crate::common;

type Pipe = Arc<Mutex<(VecDeque<u8>, bool)>>;

struct Fickle {
    input: Pipe,
    output: Pipe,
    random: u64,
}

impl Fickle {
    fn pair(seed: u64) -> (Fickle, Fickle) {
        let (there, back) = (Pipe::default(), Pipe::default());
        let near = Fickle {
            input: Arc::clone(&back),
            output: Arc::clone(&there),
            random: seed,
        };
        let (input, output, random) = (there, back, !seed);
        (near, Fickle { input, output, random })
    }

    /// How many bytes may pass now.
    fn room(&mut self) -> Poll<io::Result<usize>> {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match self.random >> 60 {
            0..4 => Poll::Ready(Err(io::ErrorKind::Interrupted.into())),
            4 => Poll::Ready(Err(io::ErrorKind::WouldBlock.into())),
            5 => Poll::Pending,
            6..12 => Poll::Ready(Ok(1)),
            _ => Poll::Ready(Ok(777)),
        }
    }
}

impl ByteStream for Fickle {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Poll::Ready(room) = self.room()? else {
            return Poll::Pending;
        };
        let (bytes, closed) = &mut *self.input.lock().unwrap();
        if bytes.is_empty() && !*closed {
            return Poll::Pending;
        }
        let room = room.min(buf.len()).min(bytes.len());
        buf.iter_mut()
            .zip(bytes.drain(..room))
            .for_each(|(to, byte)| *to = byte);
        Poll::Ready(Ok(room))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Poll::Ready(room) = self.room()? else {
            return Poll::Pending;
        };
        let bytes: Vec<_> = parts.iter().flat_map(|part| part.iter().copied()).take(room).collect();
        self.output.lock().unwrap().0.extend(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.room().map_ok(drop)
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = self.room()?.is_ready();
        self.output.lock().unwrap().1 |= closed;
        if closed { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// A packet of a type that exists.
fn packet(length: usize) -> Vec<u8> {
    let mut packet = vec![length as u8; length];
    packet[0] = 7;
    packet
}

const LENGTHS: [usize; 6] = [1, 2, 100, 8_000, 1, 3_000];

/// Connects both ends, and sends packets from one to the other until it closes.
fn cross(dial: impl Future<Output = Connected>, mut far: BoxConnection) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut dial = pin!(dial);
    let mut near: Option<BoxConnection> = None;
    let (mut sent, mut received) = (0, Vec::new());
    for _ in 0..1_000_000 {
        match &mut near {
            None => {
                if let Poll::Ready(up) = dial.as_mut().poll(&mut cx) {
                    near = Some(up.connection);
                }
                // The accepting end upgrades when it is first used.
                if let Poll::Ready(ready) = far.as_mut().poll_ready(&mut cx) {
                    ready.unwrap();
                }
                continue;
            }
            Some(near) if sent < LENGTHS.len() => {
                if let Poll::Ready(ready) = near.as_mut().poll_ready(&mut cx) {
                    ready.unwrap();
                    near.as_mut().start_send(Bytes::from(packet(LENGTHS[sent]))).unwrap();
                    sent += 1;
                }
                if let Poll::Ready(flushed) = near.as_mut().poll_flush(&mut cx) {
                    flushed.unwrap();
                }
            }
            Some(near) => {
                if let Poll::Ready(closed) = near.as_mut().poll_close(&mut cx) {
                    closed.unwrap();
                }
            }
        }
        match far.as_mut().poll_next(&mut cx) {
            Poll::Pending => {}
            Poll::Ready(Some(read)) => received.push(read.unwrap().len()),
            Poll::Ready(None) => {
                assert_eq!(received, LENGTHS);
                return;
            }
        }
    }
    panic!("it never ends: {sent} sent, {} received", received.len());
}

fn cross_all(address: &Address, acceptor: &Acceptor) {
    for seed in 0..40 {
        println!("seed {seed}");
        let (near, far) = Fickle::pair(seed);
        let dial = async { address.connect(near).await.unwrap() };
        cross(dial, acceptor.accept(far).connection);
    }
}

#[test]
fn in_clear() {
    for (address, acceptor) in common::in_clear() {
        cross_all(&address, &acceptor);
    }
}

#[cfg(feature = "tls")]
#[test]
fn inside_tls() {
    for (address, acceptor) in common::in_tls() {
        cross_all(&address, &acceptor);
    }
}

/// A blocking socket with a time limit of its own (`SO_RCVTIMEO`) says `WouldBlock` when that is over, and wakes nobody. It is asked again.
#[test]
fn who_would_block_is_asked_again() {
    struct Idle;
    impl ByteStream for Idle {
        fn poll_read_slice(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::WouldBlock.into()))
        }
        fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::WouldBlock.into()))
        }
        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    for acceptor in [Acceptor::tcp(), Acceptor::websocket()] {
        let mut connection = acceptor.accept(Idle).connection;
        let woken = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&woken));
        for turn in 1..100 {
            assert!(
                connection
                    .as_mut()
                    .poll_next(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            assert_eq!(woken.0.load(Ordering::Relaxed), turn, "it is asked again");
        }
    }
}
