//! The stores, on their own and with processes that are killed, in one program, so that it is built and linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(feature = "embedded")]
mod damaged;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "nats")]
mod fleet;
#[cfg(all(unix, feature = "embedded", feature = "nats"))]
mod fleet_processes;
#[path = "../folder/mod.rs"]
mod folder;
#[cfg(feature = "embedded")]
mod full;
#[cfg(feature = "embedded")]
mod killed;
#[cfg(feature = "nats")]
mod nats;
#[cfg(all(unix, feature = "embedded"))]
mod processes;
#[cfg(feature = "embedded")]
mod reopened;
mod suite;
