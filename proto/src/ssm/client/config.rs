//! What a host chooses for a client.

use alloc::string::String;

use crate::error::ConfigError;
use crate::setters::setters;
use crate::ssm::body::Token;
use crate::ssm::config::ChannelConfig;

/// What AWS documents as the oldest client that is supported. From 1.2.331.1 on an agent expects no keep-alives of smux.
const VERSION: &str = "1.2.764.0";

/// What a client has to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The session, as StartSession named it.
    pub session_id: String,
    /// The token for the first connection, from StartSession; empty: it is asked for, as for all others.
    pub token: Token,
    /// What this client says its version is: four numbers with dots. Default 1.2.764.0. Agents take a client before 1.1.70 for one without
    /// smux, and expect keep-alives of one before 1.2.331.1.
    pub client_version: String,
    /// The channel.
    pub channel: ChannelConfig,
}

impl ClientConfig {
    /// For this session.
    #[must_use]
    pub fn new(session_id: impl Into<String>, token: Token) -> ClientConfig {
        ClientConfig {
            session_id: session_id.into(),
            token,
            client_version: VERSION.into(),
            channel: ChannelConfig::default(),
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first field found out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.channel.validate()
    }
}

setters! {
    ClientConfig {
        with_client_version client_version: String,
        with_channel channel: ChannelConfig,
    }
}
