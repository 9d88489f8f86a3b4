//! Unbroken sessions without an async runtime: calls that block, and steps for a poll loop of one's own.
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
