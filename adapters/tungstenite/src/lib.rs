#![doc = include_str!("../README.md")]

mod executor;
mod notifier;
mod reactor;
mod runtime;
mod server;
mod session;
mod socket;
mod source;
mod stepper;
mod stream;

pub use unbroken_carriers as carriers;
pub use unbroken_carriers::{Acceptor, Address, ForwardingHeader, StartError, TrustedProxies};
pub use unbroken_driver as driver;
pub use unbroken_driver::{
    Answer, ByteStream, ConnectError, Connected, Connector, Framed, Reconnector, Runtime, ServerHandle,
};
pub use unbroken_proto as proto;
use unbroken_proto::ClientConfig;

pub use executor::{block_on, block_on_within};
pub use runtime::{PollRuntime, blocking};
pub use server::{Accepted, MAX_SESSIONS, MAX_UNPROVEN, Server};
pub use session::{Events, Session};
pub use socket::Socket;
pub use source::Interest;
pub use stepper::Stepper;
pub use stream::{Blocking, RecvError, RecvHalf, SendHalf, Stream};
#[cfg(feature = "tls")]
pub use unbroken_carriers::{Tls, TlsServer, rustls};

/// A session with the server at `address`, on a thread: [`carriers::connect`].
///
/// # Errors
/// As there.
pub fn connect(address: Address, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect(PollRuntime::default(), address, config).map(Session::from)
}

/// A session over TCP to `host:port`, or `tls://host:port`: [`carriers::connect_tcp`].
///
/// # Errors
/// As there.
pub fn connect_tcp(address: impl AsRef<str>, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect_tcp(PollRuntime::default(), address.as_ref(), config).map(Session::from)
}

/// A session over WebSocket to a `ws://` or `wss://` address: [`carriers::connect_ws`].
///
/// # Errors
/// As there.
pub fn connect_ws(url: impl AsRef<str>, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect_ws(PollRuntime::default(), url.as_ref(), config).map(Session::from)
}

/// A session that dials with `connector`, [`blocking`] for a call that blocks: [`carriers::connect_with`].
///
/// # Errors
/// As there.
pub fn connect_with(config: ClientConfig, connector: impl Connector + 'static) -> Result<Session, StartError> {
    carriers::connect_with(PollRuntime::default(), config, connector).map(Session::from)
}
