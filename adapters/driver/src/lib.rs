//! The loop that feeds an [`unbroken_proto::Session`] from futures-based I/O. Names no runtime.
//!
//! Three seams: a [`Runtime`], a [`Connector`] (any closure from a
//! [`ReconnectIntent`](unbroken_proto::ReconnectIntent) to a future of a connection), and the
//! [`Connection`] itself: a stream and a sink of packets, made from a byte stream by [`Framed`].
//!
//! [`connect`] gives a [`Session`] and a [`Driver`], a plain future to spawn. On the accepting
//! side a [`ServerHandle`] serves accepted connections and yields [`Accepted`] sessions.
//!
#![doc = include_str!("../README.md")]
//!
//! # The driver
//! Handles and streams call the machine themselves, behind a lock that is held for one call; the driver moves packets
//! between the machine and the connections. It decides nothing about the session's state: that is the machine's. It gives
//! every source one turn a round (timer, connections, dial), asks for a packet only when the
//! connection can take one, and never lets reading wait for writing.
//!
//! # Bounds
//! | what | bound |
//! |---|---|
//! | sent and not acknowledged | the machine's `outbox_limit`, then senders wait, each in its turn |
//! | received on a stream, not yet read | the machine's windows, and 64 KiB or one chunk in the receiving half |
//! | streams the peer opened, not yet accepted | the machine's `max_streams` |
//! | established sessions not yet accepted from a server | 128, then clients are told to come later |
//! | events a subscriber has not read | 256, then its oldest are dropped and counted |
//! | packets written to a connection, not yet taken by it | 128 KiB and one packet |
//!
//! # Observing
//! [`Session::events`] and [`Session::stats`] need no feature. `metrics` counts (`side` is `client` or `server`):
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
mod close_on_drop;
mod connect;
mod connect_error;
mod connecting;
mod connection;
mod connections;
mod connector;
mod driver;
mod events;
mod framed;
#[doc = include_str!("../GUIDE.md")]
pub mod guide {}
mod machine;
mod metrics;
mod reconnecting;
mod reconnector;
mod runtime;
mod senders;
mod server;
mod session;
mod state;
mod stream;
mod sync;
mod uptime;

pub use budget::Budget;
pub use connect::connect;
#[cfg(feature = "trace")]
pub use connect::connect_traced;
pub use connect_error::{ConnectError, cause_of};
pub use connection::{BoxConnection, Connected, Connection, Deferred};
pub use connector::{Connecting, Connector, PendingAnswer};
pub use driver::Driver;
pub use events::Events;
pub use framed::{ByteStream, Framed, FuturesIo};
pub use reconnector::Reconnector;
pub use runtime::{Runtime, fresh_seed};
pub use server::{Accepted, Authorise, BroadcastOutcome, Broadcaster, ServerHandle, Verdict};
pub use session::Session;
pub use stream::{RecvError, RecvHalf, SendHalf, Stream};
pub use unbroken_proto as proto;
pub use unbroken_proto::reconnect::Answer;
#[cfg(feature = "trace")]
pub use unbroken_trace as trace;
pub use uptime::uptime;
