//! The session: one end of a conversation that outlives its connections.
//!
//! A component owns what belongs together and returns what it decides; [`Session`] carries that out.
//!
//! | component | owns |
//! |---|---|
//! | `ledger` | positions, and the modules that hold frames |
//! | `connections` | everything that dies with a connection, and which connections there are |
//! | `identity` | what outlives a connection: the proof, and who the peer is |
//! | `reconnecting` | what connection the client wants, what was tried, what comes next |
//! | `closing` | how far a close has come, and how it finishes |
//! | `events`, `overdue` | what the host is told, bounded, until it asks |
//! | `reporting` | what the registry is told, and the health shown |
//! | `absence` | since when no connection carries the session, and how long that may last |
//! | `counters` | what was counted |
//!
//! | file of `Session` | what it does |
//! |---|---|
//! | `machine` | the fields, the host's other calls, and what follows from any of them |
//! | `attaching` | the client's side of an attach |
//! | `adopting` | the server's side |
//! | `swapping` | how one connection gives way to another, and how one is lost |
//! | `packets` | the calls for packets: hands each, in or out, to its connection with the parts it works on |
//! | `probing` | what the host asks of a connection's liveness, and says for it |
//! | `path_limit` | how long packets to the peer may be |
//! | `timers` | every deadline |
//! | `ending` | close, commands, and the one way out |
//! | `stream`, `reconnect` | the views: groups of calls on one subject |
//! | `keeping` | durable sessions: what is to be kept, and what waits for that |
//! | `saved`, `restoring` | the session in a snapshot, and out of what was kept |
//! | `remains` | what is kept of a session that is over |
//! | `export` | the session packed up for elsewhere |
//! | `queries`, `inspect` | what anybody may ask |
//! | `state` | the life cycle |

mod absence;
mod adopting;
mod attaching;
mod closing;
mod connections;
mod counters;
mod ending;
mod events;
mod export;
#[cfg(any(test, feature = "test-hooks"))]
mod hooks;
mod identity;
mod inspect;
mod keeping;
mod ledger;
mod machine;
mod overdue;
mod packets;
mod path_limit;
mod probing;
mod queries;
mod reconnect;
mod reconnecting;
mod remains;
mod reporting;
mod restoring;
mod saved;
mod state;
mod stream;
mod swapping;
mod timers;

pub use self::inspect::Inspection;
pub use self::keeping::StoreFailure;
pub use self::machine::Session;
pub use self::reconnect::Reconnect;
pub use self::reconnecting::Reconnecting;
pub(crate) use self::remains::Remains;
pub use self::state::SessionState;
pub use self::stream::Stream;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
