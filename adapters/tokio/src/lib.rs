//! Unbroken sessions on tokio.
//!
//! A client dials ([`connect_ws`], [`connect_tcp`], [`connect`] for what is particular about an address, or
//! [`connect_with`] and a closure of your own); a [`Server`] accepts. Both get a [`Session`], whose [`Stream`]s implement
//! tokio's `AsyncRead` and `AsyncWrite` and carry whole messages, too. Connections may die at any byte; the session dials
//! again, and nothing is lost or doubled.
//!
//! # Time
//! Sessions live by the machine's uptime, which counts while it sleeps. Where tokio's time is paused
//! (`#[tokio::test(start_paused = true)]`, `tokio::time::pause`), they live by tokio's clock instead: a backoff of a minute
//! takes no time in such a test.
//!
#![doc = include_str!("../README.md")]

mod clock;
mod compat;

use std::io;
use std::net::IpAddr;

use tokio::net::{TcpListener, TcpStream};
pub use unbroken_carriers as carriers;
pub use unbroken_carriers::{Acceptor, Address, StartError};
pub use unbroken_driver as driver;
#[cfg(feature = "trace")]
pub use unbroken_driver::trace;
pub use unbroken_driver::{
    Accepted, Answer, BroadcastOutcome, Broadcaster, ConnectError, Connected, Connecting, Connector, Events, Framed,
    PendingAnswer, Reconnector, RecvError, RecvHalf, Runtime, SendHalf, ServerHandle, Session, Stream,
};
pub use unbroken_proto as proto;
use unbroken_proto::{ClientConfig, Duration, Instant};

pub use compat::Compat;

/// tokio's timer, sockets and the runtime that is current where it is used.
///
/// # Panics
/// What spawns panics outside a runtime, as `tokio::spawn` does: all that connect, and [`Server`]'s `new`, `listen` and
/// `serve`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Stream = Compat<TcpStream>;
    type Listener = TcpListener;

    fn now(&self) -> Instant {
        clock::now()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let host = host.to_owned();
        async move {
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            Ok(Compat(stream))
        }
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Stream, Option<IpAddr>)> {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Compat(stream), Some(peer.ip())))
    }
}

/// Accepts sessions on tokio.
pub type Server = carriers::Server<Tokio>;

/// A session with the server at `address`: [`carriers::connect`].
///
/// # Errors
/// As there.
pub fn connect(address: Address, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect(Tokio, address, config)
}

/// A session over TCP to `host:port`, or `tls://host:port`: [`carriers::connect_tcp`].
///
/// # Errors
/// As there.
pub fn connect_tcp(address: impl AsRef<str>, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect_tcp(Tokio, address.as_ref(), config)
}

/// A session over WebSocket to a `ws://` or `wss://` address: [`carriers::connect_ws`].
///
/// # Errors
/// As there.
pub fn connect_ws(url: &str, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect_ws(Tokio, url, config)
}

/// A session that dials with `connector`: [`carriers::connect_with`].
///
/// # Errors
/// As there.
pub fn connect_with(config: ClientConfig, connector: impl Connector + 'static) -> Result<Session, StartError> {
    carriers::connect_with(Tokio, config, connector)
}

/// [`connect_with`], with a record of the session in `writer`, which is a secret: [`carriers::connect_traced`].
///
/// # Errors
/// As there.
#[cfg(feature = "trace")]
pub fn connect_traced(
    config: ClientConfig,
    connector: impl Connector + 'static,
    writer: impl io::Write + Send + 'static,
) -> Result<Session, StartError> {
    carriers::connect_traced(Tokio, config, connector, writer)
}

/// A session that takes the place of `old`, once that has ended: [`carriers::connect_after`].
///
/// # Errors
/// As there.
pub async fn connect_after(
    old: &Session,
    config: ClientConfig,
    connector: impl Connector + 'static,
) -> Result<Session, StartError> {
    carriers::connect_after(Tokio, old, config, connector).await
}

/// Dials `address`, or where the server said to go instead: [`carriers::connector`].
pub fn connector(address: Address) -> impl Connector {
    carriers::connector(Tokio, address)
}

/// Dials once: [`carriers::dial`].
///
/// # Errors
/// As there.
pub async fn dial(address: &Address) -> Result<Connected, ConnectError> {
    carriers::dial(&Tokio, address).await
}
