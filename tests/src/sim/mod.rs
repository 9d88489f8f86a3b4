//! The simulator: virtual time, seeded faults, everything checked after every step.

mod app;
mod client;
mod env;
mod fault;
mod framer;
mod host;
mod inject;
mod moments;
mod net;
mod options;
mod pipe;
mod run;
mod server;
mod watch;
mod world;

pub use app::App;
pub use client::Client;
pub use env::{Conversation, Env};
pub use fault::{Fault, Swarm};
pub use framer::{Framer, Unframed};
pub use host::Host;
pub use inject::{close, strike};
pub use moments::{Moment, is_focused};
pub use net::{Conn, ConnId, Happening, Net, Peer, Way};
pub use options::{CarrierShape, Closers, Gateway, HostStyle, Manner, Options, Work};
pub use pipe::{Arrival, NEVER, Pipe};
pub use run::{Failure, Summary, run_bytes, run_options, run_seed};
pub use server::{Outcome, Server, Task};
pub use watch::Watch;
pub use world::World;
