//! Sessions over real sockets, in one program, so that it is built and linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod addresses;
mod admin;
mod answers;
mod broadcast;
#[path = "../common/mod.rs"]
mod common;
mod cuts;
mod durable;
mod ecosystem;
mod fleet;
mod leaving;
mod paused;
mod proxies;
mod reconnecting;
mod sessions;
mod slow;
mod undecided;
