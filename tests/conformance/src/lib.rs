//! One suite for every adapter and carrier, over real sockets.
//!
//! A test of the [suite](mod@suite) is a plain function that blocks: it knows sessions through [`Session`] and its
//! kin, which an async adapter gets for nothing ([`adapters`]) and a blocking one implements directly. An
//! [`Adapter`] says how to connect and how to serve; [`suite!`](crate::suite!) makes tests of a pair of them and a
//! [`Carrier`]. Nothing sleeps for a result: everything waits for a condition, with a limit that nothing
//! on loopback takes.

#![allow(clippy::missing_panics_doc, reason = "panicking is how a test fails")]

pub mod adapter;
pub mod adapters;
pub mod block;
pub mod blocking;
pub mod cancel;
pub mod relay;
pub mod stepped;
pub mod stranger;
pub mod suite;
pub mod world;

pub use adapter::{Adapter, Receiver, Sender, Server, Session};
pub use world::{Carrier, World};

/// What the READMEs show compiles, and runs where it can.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../../proto/README.md")]
    pub struct Proto;
    #[doc = include_str!("../../../adapters/carriers/README.md")]
    pub struct Carriers;
    #[doc = include_str!("../../../README.md")]
    pub struct Root;
}
