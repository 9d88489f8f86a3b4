#![doc = include_str!("../README.md")]

#[macro_use]
mod debug;
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
mod durable;
mod events;
mod framed;
mod happy_eyeballs;
mod keeper;
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
pub mod store;
mod stream;
mod sync;
mod together;
mod uptime;

pub use budget::Budget;
pub use connect::connect;
#[cfg(feature = "trace")]
pub use connect::connect_traced;
pub use connect_error::{ConnectError, cause_of};
pub use connection::{BoxConnection, Connected, Connection};
pub use connector::{Connecting, Connector, PendingAnswer};
pub use driver::Driver;
pub use durable::{DurableError, connect_durable, import};
pub use events::Events;
pub use framed::{ByteStream, Framed, FuturesIo};
pub use happy_eyeballs::{KnownAddresses, Unreachable, connect_host};
pub use reconnector::Reconnector;
pub use runtime::{Runtime, fresh_seed};
pub use server::{Accepted, Authorise, BroadcastOutcome, Broadcaster, Driving, Restoration, ServerHandle, Verdict};
pub use session::Session;
pub use stream::{RecvError, RecvHalf, SendHalf, Stream};
pub use unbroken_proto as proto;
pub use unbroken_proto::reconnect::Answer;
#[cfg(feature = "trace")]
pub use unbroken_trace as trace;
pub use uptime::uptime;
