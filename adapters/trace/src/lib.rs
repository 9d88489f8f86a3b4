//! What one session was told and what it said, a JSON line each, and the replay of it.
//!
//! A [`Traced`] is a [`Session`](unbroken_proto::Session) that keeps such a record if asked to. As the machine's behaviour
//! follows from its seed and its calls alone, [`replay`] on another machine gives the same packets, byte for byte, and stops
//! where they differ: a defect seen once in the field can be looked at as often as one likes.
//!
#![doc = include_str!("../README.md")]
//!
//! # The record
//! ```text
//! {"start":{"format":3,"side":"Client","seed":"…","at":1000}}
//! {"at":1000,"call":"attach","carrier":{"authenticated":false},"out":"Ok(Epoch(1))"}
//! {"at":1000,"call":"poll_transmit","epoch":1,"packet":"AQEB…"}
//! {"at":1090,"call":"handle_input","epoch":1,"packet":"AgAB…","out":"Ok(())"}
//! {"at":1090,"call":"poll_event","out":"Established { id: SessionId(…) }"}
//! ```
//!
//! `at` is in nanoseconds of the host's clock; packets and payloads are in Base64.
//!
//! A durable session's records are in it as they are kept (`poll_record`, `snapshot`), with what the host said of them
//! (`handle_persisted`, `handle_store_failed`); that of a restored one begins with its journal:
//! ```text
//! {"start":{"format":3,"side":"Client","seed":"…","at":1000,"restored":{"journal":["0wAA…","0QAA…"],"away":5000}}}
//! {"at":1000,"call":"poll_record","record":"0wAA…"}
//! {"at":1020,"call":"handle_persisted","through":3,"out":"()"}
//! ```
//! The storage key is never in it, so that a sealed journal stays sealed; a replay takes it from the configuration. Format 3 is format 2
//! with these lines, and both are replayed.
//!
//! **A trace is a secret.** It holds the seed, from which every key of the session follows, and all payloads. It is off unless a
//! writer is given.
//!
//! Recording costs one formatted line a call; the writer should buffer. When it fails, recording ends
//! ([`Traced::trace_error`]) and the session goes on. The accepting side's sessions can be recorded, to be read, but not
//! replayed: they begin inside a registry, whose handshakes are not part of the record.

mod calls;
mod noted;
mod plain;
mod replay;
mod tape;
mod traced;

pub use replay::{ReplayError, replay};
pub use traced::{Reconnect, Stream, Traced};
