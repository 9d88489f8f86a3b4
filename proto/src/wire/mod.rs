//! Bytes to frames and back; no policy.

pub mod frame;
