//! The carriers over real sockets, in one program, so that it is built and linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod address;
mod budgets;
mod causes;
#[path = "../common/mod.rs"]
mod common;
mod interrupted;
mod network;
mod parsing;
mod partial;
mod proxies;
mod requests;
mod server;
mod tls;
mod upgrade;
