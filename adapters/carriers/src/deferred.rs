//! A connection that is set up when it is first used: behind a proxy's header, a TLS handshake or an upgrade.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use unbroken_driver::{BoxConnection, ByteStream, Connected, Connection};

use crate::upgrade::MAX_HEAD;

/// A connection that `setup` makes; `arrived` counts the bytes that it reads meanwhile.
pub(crate) fn deferred(
    peer: Arc<OnceLock<IpAddr>>,
    arrived: Arrived,
    setup: impl Future<Output = io::Result<BoxConnection>> + Send + 'static,
) -> Connected {
    let setup = SetUp::UnderWay(Box::pin(setup));
    Connected::ordered(Deferred {
        setup,
        peer,
        arrived,
        counts: MOST,
    })
}

/// What comes before a connection is up counts as bytes of a packet up to this many: a head, and a TLS handshake. Who sends on and on, as the
/// body of a request that was refused, does not keep his connection with that.
const MOST: usize = 2 * MAX_HEAD;

/// Bytes that were read, and not told of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrived(Arc<AtomicUsize>);

impl Arrived {
    /// `stream`, whose bytes are counted.
    pub(crate) fn count<S>(&self, stream: S) -> Counted<S> {
        Counted {
            stream,
            arrived: self.clone(),
        }
    }
}

/// A byte stream whose bytes are counted as they are read, before anybody knows what they are.
pub(crate) struct Counted<S> {
    stream: S,
    arrived: Arrived,
}

impl<S: ByteStream> ByteStream for Counted<S> {
    fn poll_read_slice(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(self.stream.poll_read_slice(cx, buf))?;
        self.arrived.0.fetch_add(read, Ordering::Relaxed);
        Poll::Ready(Ok(read))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let read = ready!(self.stream.poll_read(cx, buf))?;
        self.arrived.0.fetch_add(read, Ordering::Relaxed);
        Poll::Ready(Ok(read))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, parts)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn take_partial(&mut self) -> usize {
        self.stream.take_partial()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_close(cx)
    }
}

/// A connection that is set up when it is first used.
struct Deferred<F> {
    setup: SetUp<F>,
    peer: Arc<OnceLock<IpAddr>>,
    arrived: Arrived,
    /// How many bytes count still.
    counts: usize,
}

enum SetUp<F> {
    UnderWay(Pin<Box<F>>),
    Up(BoxConnection),
    /// What it failed of is its only item.
    Failed(Option<io::Error>),
}

impl<F: Future<Output = io::Result<BoxConnection>>> Deferred<F> {
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut BoxConnection>> {
        if let SetUp::UnderWay(setup) = &mut self.setup {
            self.setup = match ready!(setup.as_mut().poll(cx)) {
                Ok(up) => SetUp::Up(up),
                Err(error) => SetUp::Failed(Some(error)),
            };
        }
        Poll::Ready(self.up())
    }

    fn up(&mut self) -> io::Result<&mut BoxConnection> {
        match &mut self.setup {
            SetUp::Up(up) => Ok(up),
            SetUp::UnderWay(_) | SetUp::Failed(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl<F: Future<Output = io::Result<BoxConnection>>> Stream for Deferred<F> {
    type Item = io::Result<BytesMut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Ok(up) = ready!(self.poll_up(cx)) {
            return up.as_mut().poll_next(cx);
        }
        match &mut self.setup {
            SetUp::Failed(error) => Poll::Ready(error.take().map(Err)),
            SetUp::UnderWay(_) | SetUp::Up(_) => Poll::Ready(None),
        }
    }
}

impl<F: Future<Output = io::Result<BoxConnection>> + Send> Connection for Deferred<F> {
    fn take_partial(mut self: Pin<&mut Self>) -> usize {
        let before = self.arrived.0.swap(0, Ordering::Relaxed).min(self.counts);
        self.counts -= before;
        // Once it is up it counts for itself, and knows where a packet ends.
        self.up().map_or(before, |up| up.as_mut().take_partial())
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer.get().copied()
    }
}

impl<F: Future<Output = io::Result<BoxConnection>>> Sink<Bytes> for Deferred<F> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_up(cx))?.as_mut().poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        self.up()?.as_mut().start_send(packet)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_up(cx))?.as_mut().poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_up(cx))?.as_mut().poll_close(cx)
    }
}
