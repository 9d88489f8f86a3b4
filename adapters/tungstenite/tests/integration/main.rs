//! Sessions of blocking programs over real sockets, in one program, so that it is built and linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod admin;
mod calls;
mod carriers;
#[path = "../common/mod.rs"]
mod common;
mod dials;
mod floods;
mod proxies;
mod stopped;
#[cfg(feature = "tls")]
mod tls;
