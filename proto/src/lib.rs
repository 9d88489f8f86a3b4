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
//! | [`Session::attach`] / [`Session::handle_answer`] | the dial ended |
//! | [`Session::handle_input`] | a packet arrived on a connection |
//! | [`Session::detach`] | a connection died |
//! | [`Session::handle_timeout`] | the instant of [`Session::poll_timeout`] has come |
//! | [`Session::poll_transmit`] | a connection can take a packet, and [`Session::wants_transmit`] does not say no |
//! | [`Session::poll_event`] | at any time |
//! | [`Session::is_wanted`] | after the above: shall this connection be kept? |
//!
//! All calls that can change something take `now` first; the polls may be made in any order, or not
//! at all, without harm. What belongs to one stream is called on [`Session::stream`], what changes reconnecting on
//! [`Session::reconnect`].
//!
//! # A host in one function
//! Two sessions in one process, with vectors for sockets; the loop of a real host differs in that it sleeps until
//! [`Session::poll_timeout`].
//!
//! ```
//! use bytes::BytesMut;
//! use unbroken_proto::config::Seed;
//! use unbroken_proto::security::{Auth, ServerAuth, SharedSecret};
//! use unbroken_proto::server::{Admission, Registry, Route};
//! use unbroken_proto::stream::{Chunk, StreamOptions};
//! use unbroken_proto::{Carrier, ClientConfig, Epoch, Event, Instant, ServerConfig, Session};
//!
//! /// Carries the packets that one end has to the other.
//! fn carry(now: Instant, from: (&mut Session, Epoch), to: (&mut Session, Epoch)) -> bool {
//!     let mut packet = Vec::new();
//!     if !from.0.wants_transmit() || !from.0.poll_transmit(now, from.1, &mut packet) {
//!         return false;
//!     }
//!     to.0.handle_input(now, to.1, BytesMut::from(&packet[..])).expect("an honest peer");
//!     true
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Instant::from_millis(0);
//! let secret = SharedSecret::from_key(b"name of the secret", [7; 32])?;
//! // Seeds come from the operating system; the same one twice would be the same keys twice.
//! let (ours, theirs) = (Seed([1; 32]), Seed([2; 32]));
//! let mut registry = Registry::new(ServerConfig::new(ServerAuth::secrets(vec![secret.clone()])), theirs, now)?;
//! let mut client = Session::connect(ClientConfig::new(Auth::secret(secret)), ours, now)?;
//!
//! // What the application has to say waits for its connection.
//! let stream = client.open(now, StreamOptions::default())?;
//! client.stream(stream).send(now, "hello".into())?;
//!
//! // The machine wants a connection: the host dials, and says that it is up.
//! assert!(client.wanted_connection().is_some_and(|intent| intent.is_dial()));
//! let epoch = client.attach(now, Carrier::ordered())?;
//!
//! // The accepting host drives the handshake, then decides about the client.
//! let connection = registry.connection_accepted(now, Carrier::ordered());
//! let mut packet = Vec::new();
//! client.poll_transmit(now, epoch, &mut packet);
//! let Route::Handshake(mut incoming) = registry.first_packet(now, connection, BytesMut::from(&packet[..])) else {
//!     panic!("a stranger begins with a handshake");
//! };
//! packet.clear();
//! incoming.poll_transmit(&mut packet);
//! client.handle_input(now, epoch, BytesMut::from(&packet[..]))?;
//! packet.clear();
//! client.poll_transmit(now, epoch, &mut packet);
//! incoming.handle_input(now, BytesMut::from(&packet[..]))?;
//! assert!(incoming.request().is_some(), "it has proven itself");
//! let Admission::New { session: mut server, epoch: other } = registry.admit(now, incoming) else {
//!     panic!("there is room");
//! };
//!
//! // From here on both ends do the same: packets across, events out, until nothing is left to do.
//! loop {
//!     let there = carry(now, (&mut client, epoch), (&mut server, other));
//!     let back = carry(now, (&mut server, other), (&mut client, epoch));
//!     if let Some(report) = server.poll_report() {
//!         registry.update(now, report);
//!     }
//!     while let Some(event) = server.poll_event() {
//!         if event == Event::Incoming {
//!             let accepted = server.accept(now).expect("because it was announced");
//!             let chunk = server.stream(accepted.id).recv(now)?;
//!             let expected = Chunk::Data { payload: "hello".into(), message_end: true };
//!             assert_eq!(chunk, Some(expected));
//!             client.close(now, 0, "done".into())?;
//!         }
//!     }
//!     if !there && !back {
//!         break;
//!     }
//! }
//! let ended = std::iter::from_fn(|| client.poll_event()).find_map(|event| match event {
//!     Event::Ended(ended) => Some(ended),
//!     _ => None,
//! });
//! assert!(ended.is_some_and(|ended| ended.fates.all_delivered()));
//! # Ok(())
//! # }
//! ```
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod accept;
mod budget;
pub mod config;
pub mod durable;
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
#[cfg(feature = "ssm")]
pub mod ssm;
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
