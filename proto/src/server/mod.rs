//! The accepting side: first packets, handshakes, and the registry that knows about sessions and
//! owns none of them.
//!
//! | the host calls | when |
//! |---|---|
//! | [`Registry::connection_accepted`] | a carrier was accepted |
//! | [`Registry::first_packet`] | its first packet came: a handshake begins, or a held session's owner gets it, or it is rejected |
//! | [`Incoming::handle_input`], [`Incoming::poll_transmit`] | until [`Incoming::request`] is some |
//! | [`Registry::admit`] / [`Registry::refuse`] | the host has judged the request |
//! | [`Session::adopt`](crate::Session::adopt) | by the owner that [`Route::Resume`] or [`Admission::Resume`] named |
//! | [`Registry::update`] | a session's owner had a [`Report`] |
//! | [`Registry::poll_command`] | after any of these: pass it on to the session's owner, for [`Session::handle_command`](crate::Session::handle_command) |
//! | [`Registry::poll_unwanted`] | after any of these: close that connection |
//! | [`Registry::poll_ended`] | after any of these: release what is kept for that session |
//! | [`Registry::handle_timeout`] | the instant of [`Registry::poll_timeout`] has come |

mod admission;
mod broadcast;
mod bucket;
mod commands;
mod drain;
mod index;
mod info;
mod registry;
mod route;
mod table;
mod timers;
mod tombstone;

pub use crate::accept::{ConnectionId, Incoming, Refusal, Rejection, Report, Request, SessionCommand};
pub use broadcast::{Delivery, LagPolicy, Subscription};
pub use drain::{Drain, DrainStatus};
pub use info::{EndedSession, Refused, Select, SessionInfo, SessionStatus, Snapshot};
pub use registry::Registry;
pub use route::{Admission, Placement, Route};
pub use timers::Timers;
