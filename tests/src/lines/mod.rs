//! Lines in virtual time: what a session makes of a line of given round trip, rate and buffer, and what waits where.
//!
//! A line's direction is a buffer, a rate and a delay (`line`). What goes over it is carried by TCP without loss, whose
//! congestion window begins at ten segments and is cut back when the buffer is full (`tcp`). Each end of a session is the
//! machine with a host that has a socket buffer (`host`); beside sessions there may be a plain byte stream that always has
//! something to send. `world` moves time from event to event, so that the same case gives the same figures on any machine;
//! `cases` has the table, and what each figure has to be.

mod cases;
mod host;
mod line;
mod tcp;
mod world;

pub use cases::{CHANGES, Case, Change, Figures, Limits, cells, change, changes, run, sharing, slow_reader, start};
pub use host::Framing;
pub use world::{Link, Socket, World};
