#![doc = include_str!("../README.md")]

#[cfg(feature = "http")]
pub mod api;
#[cfg(feature = "aws")]
pub mod aws;
mod clock;
mod connection;
mod dialling;
mod driver;
mod end;
#[cfg(feature = "gateway")]
pub mod gateway;
mod handle;
mod multiplexed;
pub mod ports;
mod service;
mod session;
mod socket;
mod state;
mod streams;

pub use dialling::ByteStream;
pub use end::End;
pub use session::{AgentSession, ClientSession, Over, Session, StartError};
pub use streams::{MuxStream, Streams};

pub use service::{Grant, SealedKey, Service, TokenError};
pub use unbroken_proto as proto;
pub use unbroken_tokio::ConnectError;
pub use unbroken_tokio::carriers::driver::KnownAddresses;
pub use unbroken_tokio::carriers::{Tls, http};
