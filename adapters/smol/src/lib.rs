//! Unbroken sessions on smol.
//!
//! A client dials ([`connect_ws`], [`connect_tcp`], [`connect`] for what is particular about an address, or
//! [`connect_with`] and a closure of your own); a [`Server`] accepts. Both get a [`Session`], whose [`Stream`]s implement
//! futures' `AsyncRead` and `AsyncWrite`. Connections may die at any byte; the session dials again, and nothing is lost or
//! doubled.
//!
#![doc = include_str!("../README.md")]

use std::io;
use std::net::IpAddr;

use smol::net::{TcpListener, TcpStream};
pub use unbroken_carriers as carriers;
pub use unbroken_carriers::{Acceptor, Address, StartError};
pub use unbroken_driver as driver;
pub use unbroken_driver::{
    Accepted, Answer, BroadcastOutcome, Broadcaster, ConnectError, Connected, Connecting, Connector, Events, Framed,
    FuturesIo, PendingAnswer, Reconnector, RecvError, RecvHalf, Runtime, SendHalf, ServerHandle, Session, Stream,
};
pub use unbroken_proto as proto;
use unbroken_proto::{ClientConfig, Duration};

/// smol's timer, sockets and global executor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smol;

impl Runtime for Smol {
    type Stream = FuturesIo<TcpStream>;
    type Listener = TcpListener;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let timer = smol::Timer::after(duration);
        async move {
            timer.await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }

    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let host = host.to_owned();
        async move {
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            Ok(FuturesIo::new(stream))
        }
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Stream, Option<IpAddr>)> {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((FuturesIo::new(stream), Some(peer.ip())))
    }
}

/// Accepts sessions on smol.
pub type Server = carriers::Server<Smol>;

/// A session with the server at `address`: [`carriers::connect`].
///
/// # Errors
/// As there.
pub fn connect(address: Address, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect(Smol, address, config)
}

/// A session over TCP to `host:port`, or `tls://host:port`: [`carriers::connect_tcp`].
///
/// # Errors
/// As there.
pub fn connect_tcp(address: impl AsRef<str>, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect_tcp(Smol, address.as_ref(), config)
}

/// A session over WebSocket to a `ws://` or `wss://` address: [`carriers::connect_ws`].
///
/// # Errors
/// As there.
pub fn connect_ws(url: &str, config: ClientConfig) -> Result<Session, StartError> {
    carriers::connect_ws(Smol, url, config)
}

/// A session that dials with `connector`: [`carriers::connect_with`].
///
/// # Errors
/// As there.
pub fn connect_with(config: ClientConfig, connector: impl Connector + 'static) -> Result<Session, StartError> {
    carriers::connect_with(Smol, config, connector)
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
    carriers::connect_after(Smol, old, config, connector).await
}

/// Dials `address`, or where the server said to go instead: [`carriers::connector`].
pub fn connector(address: Address) -> impl Connector {
    carriers::connector(Smol, address)
}

/// Dials once: [`carriers::dial`].
///
/// # Errors
/// As there.
pub async fn dial(address: &Address) -> Result<Connected, ConnectError> {
    carriers::dial(&Smol, address).await
}
