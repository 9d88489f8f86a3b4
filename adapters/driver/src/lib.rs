//! The loop that feeds an [`unbroken_proto::Session`] from futures-based I/O. Names no runtime.
//!
//! Three seams: a [`Timer`], a [`Connector`] (any closure from a
//! [`ReconnectIntent`](unbroken_proto::ReconnectIntent) to a future of a connection), and the
//! [`Connection`] itself: a stream and a sink of packets, made from a byte stream by [`Framed`].
//!
//! [`connect`] gives a [`SessionHandle`] and a [`Driver`], a plain future to spawn. On the accepting
//! side a [`ServerHandle`] takes accepted connections and yields [`Established`] sessions.
//!
//! The driver decides nothing about the session's state: that is the machine's. It gives every source
//! one turn a round (handles, connections, timer, dial, events), asks for a packet only when the
//! connection can take one, and never lets reading wait for writing. What handles want is collected
//! first, so that many small messages share a packet.
//!
//! # Bounds
//! | what | bound |
//! |---|---|
//! | sent on a stream, not yet taken by the machine | 256 KiB or one item, then the sender waits |
//! | received on a stream, not yet read | 512 KiB, then the machine's own windows |
//! | streams the peer opened, not yet accepted | 32, then the machine's `max_streams` |
//! | events a subscriber has not read | 256, then its oldest are dropped and counted |
//! | broadcast messages an accepted session's driver has not taken | its broadcaster's backlog |
//! | packets written to a connection, not yet taken by it | 128 KiB and one packet |
//!
//! # Observing
//! [`SessionHandle::events`] and [`SessionHandle::stats`] need no feature. `tracing` passes on the machine's spans and events,
//! `trace` adds `connect_traced`, a record of one session that replays to the same bytes, and `metrics` tells the facade
//! of that name (`side` is `client` or `server`):
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `unbroken_sessions` | gauge: sessions that are established and not over | `side` |
//! | `unbroken_sessions_total` | counter: sessions established | `side` |
//! | `unbroken_attaches_total` | counter | `side`, `swap`: first, planned, unplanned |
//! | `unbroken_detaches_total` | counter | `side`, `cause` |
//! | `unbroken_ends_total` | counter | `side`, `reason` |
//! | `unbroken_attempts_total` | counter: attempts to connect that are over | `side`, `outcome` |
//! | `unbroken_resume_seconds` | histogram: from the loss of a connection to the next attach | `side` |
//! | `unbroken_packets_sent_total`, `unbroken_packets_received_total` | counter | `side` |
//! | `unbroken_payload_sent_bytes_total`, `unbroken_payload_received_bytes_total` | counter | `side` |
//! | `unbroken_replayed_bytes_total`, `unbroken_duplicate_frames_total` | counter | `side` |

mod budget;
mod clock;
mod connect;
mod connect_error;
mod connection;
mod connector;
mod dialling;
mod driver;
mod errand;
mod framed;
pub mod guide;
mod handle;
mod links;
mod lock;
mod machine;
mod meters;
mod pump;
mod reconnecting;
mod reconnector;
mod runtime;
mod server;
mod shared;
mod stream;

pub use budget::Budget;
pub use clock::{Timer, uptime};
pub use connect::connect;
#[cfg(feature = "trace")]
pub use connect::connect_traced;
pub use connect_error::{ConnectError, cause_of};
pub use connection::{BoxConnection, Connected, Connection, Deferred};
pub use connector::{Answer, Connector, Dial, PendingAnswer};
pub use driver::Driver;
pub use framed::{ByteStream, Framed, FuturesIo};
pub use handle::{Events, SessionHandle};
pub use reconnector::Reconnector;
pub use runtime::{Runtime, RuntimeTimer, fresh_seed};
pub use server::{Authorise, Broadcast, BroadcastOutcome, Broadcaster, Established, MakeTimer, ServerHandle, Verdict};
pub use stream::{RecvFailure, RecvHalf, SendHalf, Stream};
pub use unbroken_proto as proto;
#[cfg(feature = "trace")]
pub use unbroken_trace as trace;
