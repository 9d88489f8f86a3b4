//! Unbroken sessions on async-std.
//!
//! async-std is discontinued: its authors point to smol. This adapter is for programs that still have it;
//! new ones take `unbroken-smol`.
//!
//! A client dials ([`connect_ws`], [`connect_tcp`], [`connect`] for what is particular about an address, or
//! [`connect_with`] and a closure of your own); a [`Server`] accepts. Both get a [`Session`], whose
//! [`Stream`]s implement futures' `AsyncRead` and `AsyncWrite` and carry whole messages, too. Connections may
//! die at any byte; the session dials again, and nothing is lost or doubled.
#![doc = include_str!("../README.md")]

mod server;

use std::io;

use async_std::net::TcpStream;
pub use unbroken_carriers as carriers;
use unbroken_carriers::Address;
use unbroken_driver::{FuturesIo, SleepTimer, Timer, fresh_seed};
use unbroken_proto::{ClientConfig, ReconnectIntent};

pub use server::Server;
pub use unbroken_driver as driver;
pub use unbroken_driver::{
    Answer, Broadcast, BroadcastOutcome, Broadcaster, ConnectError, Connected, Connector, Dial,
    Established as Accepted, Events, Framed, PendingAnswer, Reconnector, RecvFailure, RecvHalf, SendHalf, ServerHandle,
    SessionHandle as Session, Stream, cause_of, uptime,
};
pub use unbroken_proto as proto;

/// A session that dials with `connector`: any closure from a [`ReconnectIntent`] to a
/// future of a [`Connected`]. Its driver is spawned on async-std. Returns at once; see
/// [`Session::established`].
///
/// # Errors
/// The configuration cannot work, or the system has no entropy.
pub fn connect_with(config: ClientConfig, connector: impl Connector + 'static) -> io::Result<Session> {
    let (session, driver) = unbroken_driver::connect(config, fresh_seed()?, connector, timer())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    async_std::task::spawn(driver);
    Ok(session)
}

/// A session that takes the place of `old`, once that has ended: it carries on its history, numbers, backoff and
/// preserved state. What `old` did not deliver stands in its [`Ended`](proto::event::Ended).
///
/// # Errors
/// As [`connect_with`].
pub async fn connect_after(
    old: &Session,
    config: ClientConfig,
    connector: impl Connector + 'static,
) -> io::Result<Session> {
    old.closed().await;
    connect_with(old.hand_over(config), connector)
}

/// A session with the server at `address`, over whatever that says.
///
/// # Errors
/// As [`connect_with`].
pub fn connect(address: Address, config: ClientConfig) -> io::Result<Session> {
    connect_with(config, connector(address))
}

/// A session over TCP to `address` (`host:port`, or `tls://host:port` with the feature `tls`).
///
/// # Errors
/// As [`connect_with`], and when the address is none of that kind. A server that is not there is no error: dials go on until the
/// backoff's limit, which by default there is none.
pub fn connect_tcp(address: impl AsRef<str>, config: ClientConfig) -> io::Result<Session> {
    connect(Address::parse(address.as_ref())?.only_tcp()?, config)
}

/// A session over WebSocket to a `ws://` address, or `wss://` with the feature `tls`.
///
/// # Errors
/// As [`connect_with`], and when the address is none of that kind. A server that is not there is no error: dials go on until the
/// backoff's limit, which by default there is none.
pub fn connect_ws(url: &str, config: ClientConfig) -> io::Result<Session> {
    connect(Address::parse(url)?.only_websocket()?, config)
}

/// Dials `address`, or the intent's alternate where that is one ([`Address::alternate`]). For [`connect_with`],
/// on its own or inside a [`Reconnector`].
pub fn connector(address: Address) -> impl Connector {
    move |intent: ReconnectIntent| {
        let address = address.alternate(&intent.alternate);
        async move { dial(&address).await }
    }
}

/// Dials once: for a connector of one's own that says where.
///
/// # Errors
/// As the system says, or [`Address::connect`].
pub async fn dial(address: &Address) -> io::Result<Connected> {
    let stream = TcpStream::connect(address.host_port()).await?;
    stream.set_nodelay(true)?;
    address.connect(FuturesIo::new(stream)).await
}

/// A timer on async-std's sleep and the machine's uptime.
#[must_use]
pub fn timer() -> impl Timer + use<> {
    SleepTimer::new(async_std::task::sleep)
}
