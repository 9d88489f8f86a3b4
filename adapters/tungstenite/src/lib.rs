//! Unbroken sessions without an async runtime: calls that block, and steps for a poll loop of one's own.
//!
//! A client dials ([`connect_ws`], [`connect_tcp`], [`connect`] for what is particular about an address, or
//! [`connect_with`] and a [`Connector`] of your own); a [`Server`] accepts. Both get a [`Session`], whose [`Stream`]s are
//! `Read` and `Write` and carry whole messages, too. Connections may die at any byte; the session dials again, and
//! nothing is lost or doubled.
#![doc = include_str!("../README.md")]
//!
//! # Threads
//! It is the same host as on an async runtime, `unbroken-driver`, and what this crate has in the runtime's place is small:
//! a task is a thread, which polls it and waits with poll(2) for the sockets and the points in time that it waits for. Each
//! session has such a task, so heartbeats and resumes go on while the application does something else; so has each
//! connection of a [`Server`] until it is known whose it is, each listener, and the registry. Looking up a name takes a
//! thread for as long as that takes. A call that has to wait does so on the caller's thread, until the task wakes it.
//!
//! # Without threads
//! A [`Stepper`] is the same for a loop that waits by its own means: it does what can be done without waiting, says which
//! descriptors to wait for, and when to come back.
//!
//! # Bounds
//! Those of the [driver](unbroken_driver#bounds), and:
//!
//! | what | bound |
//! |---|---|
//! | sessions of a server with threads, and its connections that have none | [`MAX_SESSIONS`], [`MAX_UNPROVEN`] |
//! | names being looked up, and calls of [`blocking`] connectors | 64 in a process, 4 for each session |

mod connect;
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
pub use unbroken_carriers::{Acceptor, Address, StartError};
pub use unbroken_driver as driver;
pub use unbroken_driver::{
    Answer, ByteStream, ConnectError, Connected, Connector, Framed, Reconnector, ServerHandle, cause_of, fresh_seed,
    uptime,
};
pub use unbroken_proto as proto;
use unbroken_proto::ClientConfig;

pub use connect::blocking;
pub use executor::{block_on, block_on_within};
pub use runtime::PollRuntime;
pub use server::{Accepted, MAX_SESSIONS, MAX_UNPROVEN, Server};
pub use session::{Events, Session};
pub use socket::{Listener, Socket};
pub use source::Interest;
pub use stepper::Stepper;
pub use stream::{Blocking, RecvError, RecvHalf, SendHalf, Stream};
#[cfg(feature = "tls")]
pub use unbroken_carriers::{Tls, TlsServer, rustls};

/// A session that dials with `connector`: any closure from a [`ReconnectIntent`](proto::ReconnectIntent) to a future of a
/// [`Connected`], [`blocking`] for one that blocks, or a [`Reconnector`]. It has a thread. Returns at once; see
/// [`Session::established`].
///
/// # Errors
/// The configuration cannot work, or the system has no entropy.
pub fn connect_with(config: ClientConfig, connector: impl Connector + 'static) -> Result<Session, StartError> {
    PollRuntime::threads().connect_with(config, connector)
}

/// A session that takes the place of `old`, once that has ended: it carries on its history, numbers, backoff and
/// preserved state. What `old` did not deliver stands in its [`Ended`](proto::event::Ended).
///
/// # Errors
/// As [`connect_with`].
pub fn connect_after(
    old: &Session,
    config: ClientConfig,
    connector: impl Connector + 'static,
) -> Result<Session, StartError> {
    let _how = old.closed();
    connect_with(old.handle().hand_over(config), connector)
}

/// A session with the server at `address`, over whatever that says.
///
/// # Errors
/// As [`connect_with`].
pub fn connect(address: Address, config: ClientConfig) -> Result<Session, StartError> {
    PollRuntime::threads().connect_to(address, config)
}

/// A session over TCP to `address` (`host:port`, or `tls://host:port` with the feature `tls`).
///
/// # Errors
/// As [`connect_with`], and when the address is none of that kind. A server that is not there is no error: dials go on until the
/// backoff's limit, which by default there is none.
pub fn connect_tcp(address: impl AsRef<str>, config: ClientConfig) -> Result<Session, StartError> {
    connect(Address::parse(address.as_ref())?.only_tcp()?, config)
}

/// A session over WebSocket to a `ws://` address, or `wss://` with the feature `tls`.
///
/// # Errors
/// As [`connect_with`], and when the address is none of that kind. A server that is not there is no error: dials go on until the
/// backoff's limit, which by default there is none.
pub fn connect_ws(url: &str, config: ClientConfig) -> Result<Session, StartError> {
    connect(Address::parse(url)?.only_websocket()?, config)
}
