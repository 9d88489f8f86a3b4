//! The agent's end of a session: what amazon-ssm-agent is.

mod config;
mod handshake;
mod machine;

pub use self::config::AgentConfig;
pub use self::machine::{Agent, AgentRole};

#[cfg(test)]
mod tests;
