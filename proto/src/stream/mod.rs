//! The streams of a session.
//!
//! ```
//! use unbroken_proto::error::SendRefusal;
//! use unbroken_proto::stream::StreamOptions;
//! # use unbroken_proto::{config::Seed, security::{Auth, SharedSecret}, ClientConfig, Instant, Session};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Instant::from_millis(0);
//! # let auth = Auth::secret(SharedSecret::from_key(b"office", [7; 32])?);
//! # let mut session = Session::connect(ClientConfig::new(auth), Seed([1; 32]), now)?;
//! let options = StreamOptions::default().with_label("logs".into()).with_priority(200);
//! let stream = session.open(now, options)?;
//! session.stream(stream).send(now, "a message".into())?;
//! // Bytes without boundaries; what there is no room for stays in `bytes`.
//! let mut bytes = bytes::Bytes::from("and bytes");
//! assert_eq!(session.stream(stream).write(now, &mut bytes)?, 9);
//! session.stream(stream).finish(now)?;
//! let late = session.stream(stream).send(now, "late".into()).unwrap_err();
//! assert_eq!((late.reason, &late.payload[..]), (SendRefusal::StreamClosed, &b"late"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `options` | how a stream is opened, what is known of one the peer opened |
//! | `table` | every stream, and the account of what the outbox holds |
//! | `calls` | what the application's calls do |
//! | `halves`, `send`, `recv` | one stream, and each of its halves |
//! | `admission` | what the outbox admits |
//! | `credit`, `windows` | flow control: the accounts, and how large the windows are |
//! | `schedule`, `commit` | whose turn it is, what goes out next |
//! | `arrive` | what the peer's frames do |
//! | `fates` | what became of everything that was sent |
//! | `unkept`, `saved`, `recommit` | durable sessions: what is not seen before it is kept, streams in a snapshot, and what was done to them done again |

mod admission;
mod arrive;
mod calls;
mod commit;
mod credit;
mod fates;
mod halves;
mod options;
mod recommit;
mod recv;
mod saved;
mod schedule;
mod send;
mod table;
mod unkept;
mod waiting;
mod windows;

pub(crate) use credit::Reading;
pub(crate) use fates::Queued;
pub use options::{AcceptedStream, StreamOptions};
pub use recv::Chunk;
pub(crate) use recv::copy_if_small;
pub use saved::RestoredStream;
pub(crate) use table::Streams;

#[cfg(test)]
mod tests;
