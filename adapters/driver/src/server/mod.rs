//! The accepting side.
//!
//! | file | owns |
//! |---|---|
//! | `handle` | what the application holds, and the registry's timers |
//! | `serve` | one accepted connection, until its session has it |
//! | `pending` | a connection that has not proven anything |
//! | `rejection` | what is sent last on a connection that gets no session |
//! | `backlog` | established sessions that nobody has accepted |
//! | `durable` | sessions that outlive the process |
//! | `listed` | how long a session stands in the tables |
//! | `lookup` | sessions that are kept, and not held here |
//! | `taking` | those that are being taken over |
//! | `handover` | sessions that another process asks for |
//! | `admin` | what is asked of all sessions together |
//! | `broadcaster` | one message to many sessions |
//! | `state` | what all of these share: the registry, and how each session's driver is reached |

mod admin;
mod backlog;
mod broadcaster;
mod durable;
mod handle;
mod handover;
mod listed;
mod lookup;
mod pending;
mod rejection;
mod serve;
mod state;
mod taking;

pub use backlog::Accepted;
pub use broadcaster::{BroadcastOutcome, Broadcaster};
pub use durable::{Driving, Restoration};
pub use handle::{Authorise, ServerHandle, Verdict};
