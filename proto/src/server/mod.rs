//! The accepting side: first packets, handshakes, and the registry that knows about sessions and
//! owns none of them.
//!
//! | the host calls | when |
//! |---|---|
//! | [`Registry::connection_accepted`] | a carrier was accepted |
//! | [`Registry::connection_from`] | it turned out whom it comes from |
//! | [`Registry::first_packet`] | its first packet came: a handshake begins, or a held session's owner gets it, or it is rejected |
//! | [`Incoming::handle_input`], [`Incoming::poll_transmit`] | until [`Incoming::request`] is some |
//! | [`Registry::handle_partial`], [`Incoming::set_deadline`] | bytes of a packet came that is not whole yet, if the host can tell |
//! | [`Registry::begin_decision`] | the request is about to be judged, if that may take a while |
//! | [`Registry::admit`] / [`Registry::refuse`] | the host has judged the request |
//! | [`Session::adopt`](crate::Session::adopt) | by the owner that [`Route::Resume`] or [`Admission::Resume`] named |
//! | [`Registry::update`] | a session's owner had a [`Report`] |
//! | [`Registry::poll_command`] | after any of these: pass it on to the session's owner, for [`Session::handle_command`](crate::Session::handle_command) |
//! | [`Registry::poll_unwanted`] | after any of these: close that connection |
//! | [`Registry::poll_ended`] | after any of these: release what is kept for that session |
//! | [`Registry::handle_timeout`] | the instant of [`Registry::poll_timeout`] has come |
//!
//! ```
//! # use unbroken_proto::config::Seed;
//! # use unbroken_proto::security::{Auth, ServerAuth, SharedSecret};
//! # use unbroken_proto::server::{Registry, Route};
//! # use unbroken_proto::{Carrier, ClientConfig, Instant, ServerConfig, Session};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Instant::from_millis(0);
//! # let secret = SharedSecret::from_key(b"office", [7; 32])?;
//! # let mut client = Session::connect(ClientConfig::new(Auth::secret(secret.clone())), Seed([1; 32]), now)?;
//! # let epoch = client.attach(now, Carrier::ordered())?;
//! # let mut packet = Vec::new();
//! # client.poll_transmit(now, epoch, &mut packet);
//! let config = ServerConfig::new(ServerAuth::secrets(vec![secret])).with_max_sessions(1_000);
//! let mut registry = Registry::new(config, Seed([2; 32]), now)?;
//!
//! // A connection was accepted, and this is its first packet.
//! let connection = registry.connection_accepted(now, Carrier::ordered());
//! match registry.first_packet(now, connection, packet[..].into()) {
//!     // Drive it until its request is there, then admit or refuse it.
//!     Route::Handshake(incoming) => assert!(incoming.request().is_none()),
//!     Route::Resume { session, .. } => panic!("{session} is not held here"),
//!     Route::Lookup { .. } => panic!("nothing is looked up"),
//!     Route::Reject(_) => panic!("there is room"),
//! }
//! assert_eq!(registry.snapshot().handshakes, 1);
//! # Ok(())
//! # }
//! ```

mod admission;
mod broadcast;
mod bucket;
mod commands;
mod drain;
mod index;
mod info;
mod pending;
mod registry;
mod route;
mod table;
mod timers;
mod tombstone;
mod watched;

pub use crate::accept::{ConnectionId, Incoming, Refusal, Rejection, Report, Request, SessionCommand};
pub use broadcast::{Delivery, LagPolicy, Subscription};
pub use drain::{Drain, DrainStatus};
pub use info::{EndedSession, Refused, Select, SessionInfo, SessionStatus, Snapshot};
pub use registry::{Recogniser, Registry};
pub use route::{Admission, Placement, Recognition, Route};
pub use timers::Timers;
