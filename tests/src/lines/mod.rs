//! How a session uses a line of given round trip, rate and buffer, in virtual time: the same case gives the same
//! numbers on every machine and in every build.
//!
//! | file | what it models |
//! |---|---|
//! | `line` | one direction of a line: a bottleneck's queue, a link of some rate, a distance |
//! | `tcp` | what carries bytes over it, with or without a congestion window |
//! | `carrier` | packets in a byte stream or a WebSocket, and the buffer in which they wait for TCP |
//! | `host` | who drives a machine as an adapter does, and the application above it |
//! | `world` | the events, in order |
//! | `case`, `tables` | what is run |
//! | `run`, `measure` | how it is run, and what is counted |
//! | `limits` | what is demanded of it |
//! | `report` | the table that people read |
//!
//! A line's rate counts whole segments: 1,448 bytes of TCP's payload in 1,500. The *payload share* of a line is what a
//! plain TCP stream would carry over it. TCP's own acknowledgements take no room, and hosts take no time.

mod carrier;
mod case;
mod host;
mod limits;
mod line;
mod measure;
mod report;
mod run;
mod tables;
mod tcp;
#[cfg(test)]
mod tests;
mod world;

pub use carrier::{Framing, Socket};
pub use case::{Buffer, Case, Change, Company, Reading};
pub use limits::{Check, KEPT, Miss, check};
pub use line::{HEADER, SEGMENT};
pub use measure::{Measured, Percentiles};
pub use report::{heading, moment, name, row};
pub use run::{run, timeline};
pub use tables::{all, small};

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000 * MS;
