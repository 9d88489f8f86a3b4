//! Byte streams whose calls signals interrupt, and come to little, under packets. No runtime.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use unbroken_driver::{Budget, ByteStream, Framed};

#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is written to it is read from it, one to seven bytes at a time. Whether a call is interrupted is drawn from
/// `seed`.
struct Fickle {
    bytes: VecDeque<u8>,
    seed: u64,
}

impl Fickle {
    fn draw(&mut self, below: u64) -> u64 {
        // Knuth's constants for MMIX.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % below
    }

    fn step(&mut self) -> io::Result<usize> {
        match self.draw(5) {
            0 | 1 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(1 + self.draw(7) as usize),
        }
    }
}

impl ByteStream for &mut Fickle {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let take = self.step()?.min(self.bytes.len()).min(buf.len());
        for (to, byte) in buf.iter_mut().zip(self.bytes.drain(..take)) {
            *to = byte;
        }
        Poll::Ready(Ok(take))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let take = self.step()?;
        let before = self.bytes.len();
        let bytes = parts.iter().flat_map(|part| part.iter().copied()).take(take);
        self.bytes.extend(bytes);
        Poll::Ready(Ok(self.bytes.len() - before))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.step().map(drop))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.step().map(drop))
    }
}

/// Polls until it is ready, only when it was woken.
fn woken<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    loop {
        let before = wakes.0.load(Ordering::Relaxed);
        if let Poll::Ready(output) = poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(wakes.0.load(Ordering::Relaxed) > before, "nobody would ask again");
    }
}

#[test]
fn packets_come_whole_over_calls_that_are_interrupted() {
    for seed in 1..200 {
        let mut stream = Fickle {
            bytes: VecDeque::new(),
            seed,
        };
        // Each begins with the type of a sealed one.
        let packets = [1, 2, 300, 7, 2_000].map(|size| Bytes::from(vec![7; size]));
        let mut framed = Framed::new(&mut stream);
        for packet in &packets {
            let mut framed = Pin::new(&mut framed);
            woken(|cx| framed.as_mut().poll_ready(cx)).unwrap();
            framed.as_mut().start_send(packet.clone()).unwrap();
            woken(|cx| framed.as_mut().poll_flush(cx)).unwrap();
        }
        woken(|cx| Pin::new(&mut framed).poll_close(cx)).unwrap();
        for packet in &packets {
            let read = woken(|cx| Pin::new(&mut framed).poll_next(cx));
            assert_eq!(read.unwrap().unwrap(), packet, "seed {seed}");
        }
        let end = woken(|cx| Pin::new(&mut framed).poll_next(cx));
        assert!(end.is_none(), "seed {seed}");
    }
}

/// A call that is interrupted whenever it is made keeps nobody from his turn.
#[test]
fn signals_without_end_are_bounded_by_the_turn() {
    let mut calls = 0;
    let mut interrupted = |_: &mut Context<'_>| {
        calls += 1;
        Poll::Ready(Err::<(), _>(io::ErrorKind::Interrupted.into()))
    };
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let polled = Budget::new().poll_io(&mut Context::from_waker(&waker), &mut interrupted);
    assert!(polled.is_pending());
    assert_eq!((calls, wakes.0.load(Ordering::Relaxed)), (Budget::STEPS, 1));
}

/// And where a loop awaits, each turn is a whole one.
#[test]
fn a_loop_that_awaits_goes_on_after_many_signals() {
    let mut left = 10 * Budget::STEPS;
    let mut budget = Budget::new();
    let call = budget.io(|_| {
        left -= 1;
        Poll::Ready(match left {
            0 => Ok(7),
            _ => Err(io::ErrorKind::Interrupted.into()),
        })
    });
    let mut call = std::pin::pin!(call);
    assert_eq!(woken(|cx| call.as_mut().poll(cx)).unwrap(), 7);
}
