//! Sessions that outlive their connections: the machine.
//!
//! A [`Session`] is a long-lived, authenticated, encrypted conversation of many ordered streams. It
//! is carried by one *connection* after another (WebSocket, TCP, pipe, …), each of which may die at
//! any byte. Nothing is lost, nothing is doubled, and at the end the machine says what became of
//! every message.
//!
//! The machine does no I/O, reads no clock and draws no entropy of its own. A *host* feeds it
//! packets and instants, and asks it for packets, events, deadlines and wishes:
//!
//! | the host calls | when |
//! |---|---|
//! | [`Session::wanted_connection`] | after any other call: shall a connection be dialled, and when? |
//! | [`Session::attach`] / [`Session::dial_failed`] | the dial ended |
//! | [`Session::handle_input`] | a packet arrived on a connection |
//! | [`Session::detach`] | a connection died |
//! | [`Session::handle_timeout`] | the instant of [`Session::poll_timeout`] has come |
//! | [`Session::poll_transmit`] | a connection can take a packet |
//! | [`Session::poll_event`] | at any time |
//! | [`Session::is_wanted`] | after the above: shall this connection be kept? |
//!
//! All calls that can change something take `now` first; the polls may be made in any order, or not
//! at all, without harm.
#![no_std]
#![warn(missing_debug_implementations)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod accept;
pub mod config;
pub mod error;
pub mod event;
pub mod id;
mod limits;
mod liveness;
mod peer;
pub mod reconnect;
mod redacted;
mod reliability;
mod rng;
pub mod security;
pub mod server;
pub mod session;
mod setters;
pub mod stats;
pub mod stream;
pub mod time;
mod trace;
pub mod wire;

pub use config::{ClientConfig, ServerConfig, SessionConfig};
pub use event::Event;
pub use id::{Carrier, Epoch, SessionId, Side, StreamId};
pub use liveness::Health;
pub use peer::{PeerKey, PeerPrefix};
pub use reconnect::{Cause, ReconnectIntent};
pub use session::Session;
pub use time::{Duration, Instant};
