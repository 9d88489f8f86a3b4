//! Unbroken sessions on tokio.
//!
//! A client dials ([`connect_ws`], [`connect_tcp`], [`connect`] for what is particular about an address, or [`connect_with`] and a
//! closure of your own); a
//! [`Server`] accepts. Both get a [`Session`], whose [`Stream`]s implement tokio's `AsyncRead` and
//! `AsyncWrite` and carry whole messages, too. Connections may die at any byte; the session dials
//! again, and nothing is lost or doubled.
//!
#![doc = include_str!("../README.md")]

mod compat;
mod server;
mod session;

use std::io;

use tokio::net::TcpStream;
pub use unbroken_carriers as carriers;
use unbroken_carriers::Address;
use unbroken_driver::{SleepTimer, Timer, fresh_seed};
use unbroken_proto::{ClientConfig, ReconnectIntent};

pub use compat::Compat;
pub use server::{Accepted, Server};
pub use session::{RecvHalf, SendHalf, Session, Stream};
pub use unbroken_driver as driver;
#[cfg(feature = "trace")]
pub use unbroken_driver::trace;
pub use unbroken_driver::{
    Answer, Broadcast, BroadcastOutcome, Broadcaster, ConnectError, Connected, Connector, Dial, Events, Framed,
    PendingAnswer, Reconnector, RecvFailure, ServerHandle, SessionHandle, cause_of, uptime,
};
pub use unbroken_proto as proto;

/// A session that dials with `connector`: any closure from a
/// [`ReconnectIntent`] to a future of a [`Connected`]. Its driver is spawned
/// on the current runtime. Returns at once; see [`SessionHandle::established`].
///
/// # Errors
/// The configuration cannot work, or the system has no entropy.
///
/// # Panics
/// Outside a tokio runtime, as `tokio::spawn` does; so do all that connect, and [`Server::new`].
pub fn connect_with(config: ClientConfig, connector: impl Connector + 'static) -> io::Result<Session> {
    let (handle, driver) = unbroken_driver::connect(config, fresh_seed()?, connector, timer()).map_err(invalid)?;
    tokio::spawn(driver);
    Ok(Session::new(handle))
}

/// [`connect_with`], with a record of all that the session is told and says in `writer`, for
/// [`replay`](unbroken_driver::trace::replay). **What is written is a secret**: the session's keys follow from it. The driver
/// writes as it goes, so `writer` should buffer, and not block for long.
///
/// # Errors
/// As [`connect_with`].
#[cfg(feature = "trace")]
pub fn connect_traced(
    config: ClientConfig,
    connector: impl Connector + 'static,
    writer: impl io::Write + Send + 'static,
) -> io::Result<Session> {
    let traced = unbroken_driver::connect_traced(config, fresh_seed()?, connector, timer(), writer);
    let (handle, driver) = traced.map_err(invalid)?;
    tokio::spawn(driver);
    Ok(Session::new(handle))
}

/// A session that takes the place of `old`, once that has ended: it carries on its history, numbers, backoff and
/// preserved state. For [`EndReason::Fresh`](proto::event::EndReason::Fresh) above all; what `old` did not deliver stands in
/// its [`Ended`](proto::event::Ended), and what of it is said again is the application's choice.
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
/// ```no_run
/// # fn run() -> std::io::Result<()> {
/// # use unbroken_tokio::{carriers::Address, proto::{ClientConfig, security::Auth}};
/// let address = Address::parse("ws://example.org/sessions")?.header("cookie", "tenant=1")?;
/// let session = unbroken_tokio::connect(address, ClientConfig::new(Auth::anonymous()))?;
/// # drop(session);
/// # Ok(())
/// # }
/// ```
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
    address.connect(Compat(stream)).await
}

/// A timer on tokio's sleep and the machine's uptime.
#[must_use]
pub fn timer() -> impl Timer + use<> {
    SleepTimer::new(tokio::time::sleep)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
