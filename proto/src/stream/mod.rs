//! The streams of a session.
//!
//! | file | owns |
//! |---|---|
//! | `options` | how a stream is opened, what is known of one the peer opened |
//! | `table` | every stream, and the account of what the outbox holds |
//! | `calls` | what the application's calls do |
//! | `send`, `recv` | the two halves of one stream |
//! | `credit` | flow control |
//! | `schedule`, `commit` | whose turn it is, what goes out next |
//! | `arrive` | what the peer's frames do |
//! | `fates` | what became of everything that was sent |

mod arrive;
mod calls;
mod commit;
mod credit;
mod fates;
mod options;
mod recv;
mod schedule;
mod send;
mod table;

pub use options::{AcceptedStream, StreamOptions};
pub use recv::Chunk;
pub(crate) use recv::copy_if_small;
pub(crate) use table::Streams;

#[cfg(test)]
mod tests;
