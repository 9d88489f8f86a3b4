//! What registry and session exchange. Both use this module, so that neither has to import the other for it.
//!
//! | file | owns |
//! |---|---|
//! | `request` | an accepted connection, and what its client asks for |
//! | `incoming` | a connection on its way to a session |
//! | `refusal` | saying no |
//! | `command` | what the registry wants of a session |
//! | `report` | what a session tells the registry, and leaves behind |
//! | `packet` | the first sealed packet |

mod command;
#[cfg(feature = "test-hooks")]
mod hooks;
mod incoming;
mod packet;
mod refusal;
mod report;
mod request;

pub use self::command::SessionCommand;
pub use self::incoming::Incoming;
pub(crate) use self::incoming::{Handshake, IncomingKind, Proven};
pub(crate) use self::packet::final_packet;
pub use self::refusal::{Refusal, Rejection};
pub(crate) use self::refusal::{SOON, millis};
pub use self::report::Report;
pub(crate) use self::report::{Over, Status, Tombstone};
pub use self::request::{ConnectionId, Request};
