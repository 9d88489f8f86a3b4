//! What the driver takes for a connection, and who makes one.

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use unbroken_proto::{Carrier, Cause, ReconnectIntent};

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
pub struct Connected {
    /// Its two directions.
    pub connection: BoxConnection,
    /// Its kind.
    pub carrier: Carrier,
}

impl Connected {
    /// A connection over an ordered, reliable carrier.
    #[must_use]
    pub fn ordered(connection: impl Connection + 'static) -> Connected {
        Connected { connection: Box::pin(connection), carrier: Carrier::ordered() }
    }

    /// Declares that the peer's identity was verified on this carrier (TLS with a checked certificate).
    #[must_use]
    pub fn authenticated(self) -> Connected {
        Connected { carrier: self.carrier.authenticated(), ..self }
    }
}

/// A dial under way.
pub type Dial = Pin<Box<dyn Future<Output = io::Result<Connected>> + Send>>;

/// Makes connections for a session. Every closure from a [`ReconnectIntent`] to a future of a
/// [`Connected`] is one.
///
/// A dial may be dropped at any point: when the machine gives its attempt up.
pub trait Dialler: Send {
    /// Begins one dial.
    fn dial(&mut self, intent: ReconnectIntent) -> Dial;
}

impl<F, D> Dialler for F
where
    F: FnMut(ReconnectIntent) -> D + Send,
    D: Future<Output = io::Result<Connected>> + Send + 'static,
{
    fn dial(&mut self, intent: ReconnectIntent) -> Dial {
        Box::pin(self(intent))
    }
}

/// What an I/O error means to the machine.
#[must_use]
pub fn cause_of(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::Timeout,
        io::ErrorKind::InvalidData => Cause::Protocol,
        _ => Cause::Network,
    }
}
