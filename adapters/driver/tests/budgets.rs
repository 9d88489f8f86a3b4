//! Input that is always ready keeps nobody busy for longer than a bounded number of steps.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use unbroken_driver::proto::config::Seed;
use unbroken_driver::proto::security::Auth;
use unbroken_driver::proto::{ClientConfig, Duration, Instant, ReconnectIntent};
use unbroken_driver::{Budget, ByteStream, ConnectError, Connected, Framed, Runtime};

#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls with `poll` until it is ready. Each poll that is not must have taken no more than a budget of `steps`, and have
/// woken its task. Returns the output and how many polls it took.
fn bounded<T>(steps: &AtomicU32, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> (T, u32) {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    for polls in 1.. {
        let (before, woken) = (steps.load(Ordering::Relaxed), wakes.0.load(Ordering::Relaxed));
        let polled = poll(&mut Context::from_waker(&waker));
        let took = steps.load(Ordering::Relaxed) - before;
        assert!(took <= Budget::STEPS, "{took} steps in one poll");
        match polled {
            Poll::Ready(output) => return (output, polls),
            Poll::Pending => assert!(wakes.0.load(Ordering::Relaxed) > woken, "it wakes itself"),
        }
    }
    unreachable!()
}

/// Gives its bytes one at a time, and takes as many.
struct Drip {
    input: Vec<u8>,
    output: Vec<u8>,
    steps: Arc<AtomicU32>,
}

impl ByteStream for Drip {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let byte = self.input.pop();
        buf[..1].copy_from_slice(&[byte.unwrap_or_default()]);
        Poll::Ready(Ok(usize::from(byte.is_some())))
    }
    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.output
            .extend(parts.iter().flat_map(|part| part.iter()).take(1).copied());
        Poll::Ready(Ok(1))
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn packets_that_drip() {
    let steps = Arc::new(AtomicU32::new(0));
    // The back is read first: there is the packet's length.
    let drip = Drip {
        input: [&[7; 1_000][..], &1_000u16.to_le_bytes()].concat(),
        output: Vec::new(),
        steps: Arc::clone(&steps),
    };
    let mut framed = Framed::new(drip);
    let (packet, polls) = bounded(&steps, |cx| Pin::new(&mut framed).poll_next(cx));
    assert_eq!(packet.unwrap().unwrap(), BytesMut::from(&[7; 1_000][..]));
    assert!(polls > 1_000 / Budget::STEPS, "{polls}");
    Pin::new(&mut framed).start_send(Bytes::from(vec![8; 1_000])).unwrap();
    let (flushed, polls) = bounded(&steps, |cx| Pin::new(&mut framed).poll_flush(cx));
    flushed.unwrap();
    assert!(polls > 1_000 / Budget::STEPS, "{polls}");
}

/// Its clock stands still, and its sleep is over at once.
#[derive(Clone)]
struct Mismatched(Arc<AtomicU32>);

impl Runtime for Mismatched {
    type Stream = Drip;
    type Listener = ();

    fn now(&self) -> Instant {
        Instant::ZERO
    }
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    }
    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}
    fn resolve(&self, _: &str, _: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        std::future::pending()
    }

    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<Drip>> + Send + 'static {
        std::future::pending()
    }
    async fn accept(&self, (): &()) -> io::Result<(Drip, Option<IpAddr>)> {
        std::future::pending().await
    }
}

#[test]
fn a_clock_that_the_sleep_does_not_count_by() {
    let steps = Arc::new(AtomicU32::new(0));
    let connector = |_: ReconnectIntent| std::future::pending::<Result<Connected, ConnectError>>();
    let config = ClientConfig::new(Auth::anonymous());
    let runtime = Mismatched(Arc::clone(&steps));
    let (_session, driver) = unbroken_driver::connect(&runtime, config, Seed([1; 32]), connector).unwrap();
    // It waits for the dial's time limit, which never comes.
    let (mut driver, mut polls) = (pin!(driver), 0);
    bounded(&steps, |cx| {
        polls += 1;
        match driver.as_mut().poll(cx) {
            Poll::Pending if polls < 10 => Poll::Pending,
            Poll::Pending => Poll::Ready(()),
            Poll::Ready(()) => panic!("its time has not come"),
        }
    });
    assert!(steps.load(Ordering::Relaxed) > 0, "it does not sleep");
}
