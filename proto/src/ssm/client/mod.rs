//! The client's end of a session: what the Session Manager plugin is.

mod config;
mod handshake;
mod machine;

pub use self::config::ClientConfig;
pub use self::machine::{Client, ClientRole};

#[cfg(test)]
mod tests;
