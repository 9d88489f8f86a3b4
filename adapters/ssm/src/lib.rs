#![doc = include_str!("../README.md")]

#[cfg(feature = "gateway")]
pub mod gateway;
mod service;

pub use service::{Grant, SealedKey, Service, TokenError};
pub use unbroken_proto as proto;
pub use unbroken_tokio::ConnectError;
pub use unbroken_tokio::carriers::{Tls, http};
