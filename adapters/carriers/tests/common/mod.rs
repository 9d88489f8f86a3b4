//! Byte streams that are always ready, and a way to poll what stands on them. No runtime.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test")]

pub(crate) mod peer;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::BytesMut;
use unbroken_carriers::{Acceptor, Address, SUBPROTOCOL};
use unbroken_driver::{BoxConnection, Budget, ByteStream};

/// Counts how often its task was woken.
#[derive(Default)]
pub(crate) struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Gives the bytes that `source` puts into a buffer, and takes whatever it is given. Always ready.
pub(crate) struct Ready<F> {
    pub(crate) source: F,
    pub(crate) reads: Arc<AtomicU32>,
}

impl<F: FnMut(&mut [u8]) -> usize> ByteStream for Ready<F> {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok((self.source)(buf)))
    }
    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Gives `bytes` one at a time, then the end.
pub(crate) fn drip(bytes: Vec<u8>) -> impl FnMut(&mut [u8]) -> usize + Send + Unpin {
    let mut bytes = bytes.into_iter();
    move |buf| match bytes.next() {
        Some(byte) => {
            buf[0] = byte;
            1
        }
        None => 0,
    }
}

/// Gives `first` one byte at a time, and then fills every buffer with copies of `frame`, for ever.
pub(crate) fn flood(first: Vec<u8>, frame: &'static [u8]) -> impl FnMut(&mut [u8]) -> usize + Send + Unpin {
    let mut first = first.into_iter();
    let mut frames = frame.iter().cycle();
    move |buf| match first.next() {
        Some(byte) => {
            buf[0] = byte;
            1
        }
        None => {
            buf.iter_mut().zip(&mut frames).for_each(|(to, byte)| *to = *byte);
            buf.len()
        }
    }
}

/// A request for an upgrade to sessions.
pub(crate) fn request() -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    .into_bytes()
}

/// An accepted connection over a stream that is always ready, which is polled with all wakes and reads counted.
pub(crate) struct Watched {
    connection: BoxConnection,
    reads: Arc<AtomicU32>,
    wakes: Arc<Wakes>,
}

impl Watched {
    pub(crate) fn accept(
        acceptor: &Acceptor,
        source: impl FnMut(&mut [u8]) -> usize + Send + Unpin + 'static,
    ) -> Watched {
        let reads = Arc::new(AtomicU32::new(0));
        let stream = Ready {
            source,
            reads: Arc::clone(&reads),
        };
        Watched {
            connection: acceptor.accept(stream).connection,
            reads,
            wakes: Arc::default(),
        }
    }

    /// One poll, which must not have read more often than two budgets allow (the end of the set-up and what follows may
    /// share a poll), and wakes its task if it is pending.
    pub(crate) fn poll(&mut self) -> Poll<Option<io::Result<BytesMut>>> {
        let (reads, wakes) = (self.reads.load(Ordering::Relaxed), self.wakes.count());
        let waker = Waker::from(Arc::clone(&self.wakes));
        let polled = self.connection.as_mut().poll_next(&mut Context::from_waker(&waker));
        let reads = self.reads.load(Ordering::Relaxed) - reads;
        assert!(reads <= 2 * Budget::STEPS, "{reads} reads in one poll");
        assert!(polled.is_ready() || self.wakes.count() > wakes, "it wakes itself");
        polled
    }

    /// Polls until there is something. Returns it, and how many polls it took.
    pub(crate) fn next(&mut self) -> (Option<io::Result<BytesMut>>, u32) {
        for polls in 1..100_000 {
            if let Poll::Ready(item) = self.poll() {
                return (item, polls);
            }
        }
        panic!("it never ends")
    }
}

/// Each way to connect in clear, and what takes it.
pub(crate) fn in_clear() -> [(Address, Acceptor); 2] {
    let parse = |address| Address::parse(address).unwrap();
    [
        (parse("tcp://localhost:1"), Acceptor::tcp()),
        (parse("ws://localhost/"), Acceptor::websocket()),
    ]
}

/// The same in TLS, with a certificate made for it.
#[cfg(feature = "tls")]
pub(crate) fn in_tls() -> [(Address, Acceptor); 2] {
    use unbroken_carriers::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use unbroken_carriers::{Tls, TlsServer};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = CertificateDer::from(made.cert);
    let tls = Tls::trusting([certificate.clone()]).unwrap();
    let shown = TlsServer::new(vec![certificate], key).unwrap();
    let pair = |address, acceptor: Acceptor| {
        let address = Address::parse(address).unwrap();
        (address.tls(tls.clone()), acceptor.tls(shown.clone()))
    };
    [
        pair("tls://localhost:1", Acceptor::tcp()),
        pair("wss://localhost/", Acceptor::websocket()),
    ]
}
