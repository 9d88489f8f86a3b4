//! What the driver takes for a connection.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use unbroken_proto::{Carrier, PeerKey};

/// A carrier's two directions, in whole packets. What is a stream and a sink of them needs no more than to be declared one;
/// [`Framed`](crate::Framed) makes one out of a byte stream.
///
/// The end of the stream is the end of the connection. `poll_ready` should be ready as long as the
/// carrier keeps up, and must not depend on anything being read.
pub trait Connection: Stream<Item = io::Result<BytesMut>> + Sink<Bytes, Error = io::Error> + Send {
    /// Bytes that arrived, since this was last asked, of a packet that is not whole yet. They keep a line that is slow from being taken
    /// for one that is dead ([`handle_partial`](unbroken_proto::Session::handle_partial)). By default 0: it cannot tell.
    fn take_partial(self: Pin<&mut Self>) -> usize {
        0
    }

    /// Whom it comes from, if it learns that by itself, as from what a proxy writes: for the accepting side's limits on each origin. It may
    /// be known only after something was read, but before the first packet; then it stays. By default nobody is known, and
    /// [`Connected::from_peer`] says it.
    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

/// Any connection.
pub type BoxConnection = Pin<Box<dyn Connection>>;

impl Connection for BoxConnection {
    fn take_partial(self: Pin<&mut Self>) -> usize {
        self.get_mut().as_mut().take_partial()
    }

    fn peer(&self) -> Option<IpAddr> {
        (**self).peer()
    }
}

/// A connection that is up.
#[non_exhaustive]
pub struct Connected {
    /// Its two directions.
    pub connection: BoxConnection,
    /// What kind of connection it is, and what is known of its peer.
    pub carrier: Carrier,
}

debug_some!(Connected, carrier);

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
