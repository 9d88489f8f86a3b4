//! What the driver takes for a connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use unbroken_proto::{Carrier, PeerKey};

/// A carrier's two directions, in whole packets. Implemented by everything that is a stream and a sink
/// of them; [`Framed`](crate::Framed) makes one out of a byte stream.
///
/// The end of the stream is the end of the connection. `poll_ready` should be ready as long as the
/// carrier keeps up, and must not depend on anything being read.
pub trait Connection: Stream<Item = io::Result<BytesMut>> + Sink<Bytes, Error = io::Error> + Send {}

impl<T> Connection for T where T: Stream<Item = io::Result<BytesMut>> + Sink<Bytes, Error = io::Error> + Send {}

/// Any connection.
pub type BoxConnection = Pin<Box<dyn Connection>>;

/// A connection that is up.
#[non_exhaustive]
pub struct Connected {
    /// Its two directions.
    pub connection: BoxConnection,
    /// What kind of connection it is, and what is known of its peer.
    pub carrier: Carrier,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("carrier", &self.carrier)
            .finish_non_exhaustive()
    }
}

impl Connected {
    /// A connection over an ordered, reliable carrier.
    #[must_use]
    pub fn ordered(connection: impl Connection + 'static) -> Connected {
        Connected {
            connection: Box::pin(connection),
            carrier: Carrier::ordered(),
        }
    }

    /// Says where the connection comes from, for the accepting side's limits on each origin.
    #[must_use]
    pub fn from_peer(mut self, peer: PeerKey) -> Connected {
        self.carrier = self.carrier.from_peer(peer);
        self
    }

    /// Declares that the peer's identity was verified on this carrier (TLS with a checked certificate).
    #[must_use]
    pub fn authenticated(mut self) -> Connected {
        self.carrier = self.carrier.authenticated();
        self
    }
}

/// A connection that is still being set up: the carrier's own handshake runs when it is first used.
///
/// On the accepting side a peer that hangs in the middle of a WebSocket or TLS handshake thereby counts as one that has
/// said nothing, with the bounds that go with it.
pub struct Deferred<C> {
    setup: Option<Pin<Box<dyn Future<Output = io::Result<C>> + Send>>>,
    connection: Option<Pin<Box<C>>>,
}

impl<C> fmt::Debug for Deferred<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred")
            .field("up", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

impl<C: Connection> Deferred<C> {
    /// The connection that `setup` will give. What `setup` fails of is the connection's only item, and then its end.
    pub fn new(setup: impl Future<Output = io::Result<C>> + Send + 'static) -> Deferred<C> {
        Deferred {
            setup: Some(Box::pin(setup)),
            connection: None,
        }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut C>>> {
        if let Some(setup) = &mut self.setup {
            let up = ready!(setup.as_mut().poll(cx));
            self.setup = None;
            self.connection = Some(Box::pin(up?));
        }
        Poll::Ready(self.up())
    }

    fn up(&mut self) -> io::Result<Pin<&mut C>> {
        self.connection
            .as_mut()
            .map(Pin::as_mut)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<C: Connection> Stream for Deferred<C> {
    type Item = io::Result<BytesMut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        let this = self.get_mut();
        if this.setup.is_none() && this.connection.is_none() {
            return Poll::Ready(None);
        }
        match ready!(this.poll_up(cx)) {
            Ok(connection) => connection.poll_next(cx),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl<C: Connection> Sink<Bytes> for Deferred<C> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_up(cx))?.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        self.get_mut().up()?.start_send(packet)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_up(cx))?.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_up(cx))?.poll_close(cx)
    }
}
