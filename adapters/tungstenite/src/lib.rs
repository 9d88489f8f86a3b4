//! Unbroken sessions without an async runtime: calls that block, and steps for a poll loop of one's own.
//!
//! A client dials ([`connect_ws`], [`connect_tcp`], [`connect`] for what is particular about an address, or
//! [`connect_with`] and a [`Connector`] of your own); a [`Server`] accepts. Both get a [`Session`], whose [`Stream`]s are
//! `Read` and `Write` and carry whole messages, too. Connections may die at any byte; the session dials again, and
//! nothing is lost or doubled.
#![doc = include_str!("../README.md")]
//!
//! # Threads
//! Each session has one thread, which owns its sockets and waits for them, for the machine's next deadline, and for
//! callers; so heartbeats and resumes go on while the application does something else. The machine itself stands
//! under a lock: a call locks it, does its part, and rings the thread if it sleeps; a call that has to wait does so on a
//! condition that the thread signals. The lock is never held while anything waits: sockets do not block (the thread
//! polls them), and dialling (names, connecting, TLS, the upgrade) runs on a thread of its own, with time limits on
//! the socket. A caller's thread alone could not do it: between two calls nobody would answer a heartbeat.
//!
//! A [`Server`] has a thread for each listener, one for the registry's timers, and one for each connection, which
//! becomes its session's.
//!
//! # Without threads
//! [`Stepper`] is one session, [`StepServer`] a listening service, for a loop that waits by its own means: they do what
//! can be done without waiting and say when to come back.
//!
//! # Bounds
//! | what | bound |
//! |---|---|
//! | what is sent and received | the machine's own buffers; nothing is queued in front of them |
//! | packets written to a connection, not yet taken by it | 128 KiB and one packet |
//! | events a subscriber has not read | 256, then its oldest are dropped and counted |
//! | dials and answers under way | 4 for each session, those that are late included |
//! | sessions of a server, and its connections that have none | [`MAX_SESSIONS`], [`MAX_UNPROVEN`] |
//! | connections that a server turns away | 64, then they are dropped without a word |

mod address;
mod bell;
mod clock;
mod connection;
mod dialling;
mod door;
mod failure;
mod framed;
mod links;
mod pump;
mod server;
mod session;
mod shared;
mod step_server;
mod stepper;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod websocket;
mod wire;

use std::io;
use std::thread;

use unbroken_proto::ClientConfig;
use unbroken_proto::config::Seed;

pub use address::Address;
pub use clock::uptime;
pub use connection::{ByteStream, Connection};
pub use dialling::Connector;
pub use failure::{ConnectError, cause_of};
pub use framed::Framed;
#[cfg(feature = "tls")]
pub use rustls;
pub use server::{Accepted, MAX_SESSIONS, MAX_UNPROVEN, Server};
pub use session::{Events, Session};
pub use step_server::StepServer;
pub use stepper::{Answer, Next, Stepper};
pub use stream::{RecvFailure, RecvHalf, SendHalf, Stream};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsServer, TlsStream};
pub use tungstenite;
pub use unbroken_proto as proto;
pub use websocket::{SUBPROTOCOL, WebSocket, cause_of_close, cause_of_status};
pub use wire::{SharedSocket, Socket, Wire};

/// A session that dials with `connector`: any closure from a [`ReconnectIntent`](proto::ReconnectIntent) to a [`Wire`].
/// Its thread is started. Returns at once; see [`Session::established`].
///
/// # Errors
/// The configuration cannot work, or the system has no entropy, or no thread.
pub fn connect_with(config: ClientConfig, connector: impl Connector) -> io::Result<Session> {
    let stepper = Stepper::connect(config, fresh_seed()?, uptime()).map_err(failure::invalid)?;
    let shared = shared::Shared::new(stepper)?;
    let theirs = shared.clone();
    let source = dialling::Dialling::new(connector);
    thread::Builder::new()
        .name("unbroken session".into())
        .spawn(move || pump::run(&theirs, pump::Source::Dial(source)))?;
    Ok(Session::new(shared))
}

/// A session with the server at `address`, over whatever that says.
///
/// # Errors
/// As [`connect_with`].
pub fn connect(address: Address, config: ClientConfig) -> io::Result<Session> {
    connect_with(config, move |intent: &proto::ReconnectIntent| address.dial(intent))
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

/// 32 random bytes from the system.
///
/// # Errors
/// It has none.
pub fn fresh_seed() -> io::Result<Seed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Seed(seed))
}
