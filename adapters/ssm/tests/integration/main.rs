//! Calls of AWS's API, and the gateway, over sockets; in one program, so that it is built and linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(feature = "http")]
mod api;
#[cfg(feature = "aws")]
mod aws;
#[cfg(all(feature = "gateway", feature = "http"))]
mod dialling;
#[cfg(feature = "aws")]
mod environment;
#[cfg(feature = "gateway")]
mod gateway;
#[cfg(all(feature = "aws", feature = "gateway"))]
mod kms;
mod serving;
