//! What a host chooses for an agent.

use alloc::string::String;

use crate::error::ConfigError;
use crate::setters::setters;
use crate::ssm::body::{PortProperties, SessionType};
use crate::ssm::config::ChannelConfig;
use crate::time::Duration;

/// The version of the real agent whose behaviour this is closest to.
const VERSION: &str = "3.3.1142.0";

/// What an agent has to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentConfig {
    /// The session.
    pub session_id: String,
    /// The instance that it runs on.
    pub instance_id: String,
    /// What kind of session it is. Default [`SessionType::StandardStream`].
    pub session_type: SessionType,
    /// Of [`SessionType::Port`]: where it leads.
    pub port: PortProperties,
    /// The key in KMS under which the client is to make a data key, which seals all data. Default none. Port sessions are never sealed.
    pub kms_key_id: Option<String>,
    /// What the client shows when data begins to flow. Default nothing.
    pub customer_message: String,
    /// What this agent says its version is: four numbers with dots. Default 3.3.1142.0.
    pub agent_version: String,
    /// How long a client may take for each of its answers, once a connection is there. 1 ms or more, default 60 s; the real agent's 15 s
    /// are short for a network that goes away meanwhile.
    pub handshake_timeout: Duration,
    /// The channel. Digests are not looked at by default, as the real agent has it.
    pub channel: ChannelConfig,
}

impl AgentConfig {
    /// For a shell.
    #[must_use]
    pub fn new(session_id: impl Into<String>, instance_id: impl Into<String>) -> AgentConfig {
        AgentConfig {
            session_id: session_id.into(),
            instance_id: instance_id.into(),
            session_type: SessionType::StandardStream,
            port: PortProperties::default(),
            kms_key_id: None,
            customer_message: String::new(),
            agent_version: VERSION.into(),
            handshake_timeout: Duration::from_secs(60),
            channel: ChannelConfig::default().with_check_digest(false),
        }
    }

    /// For a port.
    #[must_use]
    pub fn port(session_id: impl Into<String>, instance_id: impl Into<String>, port: PortProperties) -> AgentConfig {
        AgentConfig {
            session_type: SessionType::Port,
            port,
            ..AgentConfig::new(session_id, instance_id)
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first field found out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.handshake_timeout < Duration::from_millis(1) {
            return Err(ConfigError::OutOfRange {
                field: "handshake_timeout (ms)",
                min: 1,
                max: u64::MAX,
            });
        }
        self.channel.validate()
    }

    /// Whether data is sealed.
    pub(super) fn is_sealed(&self) -> bool {
        self.kms_key_id.is_some() && self.session_type != SessionType::Port
    }

    /// Whether there is a handshake: a plain shell begins without.
    pub(super) fn shakes_hands(&self) -> bool {
        let is_shell = matches!(
            self.session_type,
            SessionType::StandardStream | SessionType::InteractiveCommands
        );
        !is_shell || self.is_sealed()
    }
}

setters! {
    AgentConfig {
        with_session_type session_type: SessionType,
        with_kms_key_id kms_key_id: Option<String>,
        with_customer_message customer_message: String,
        with_agent_version agent_version: String,
        with_handshake_timeout handshake_timeout: Duration,
        with_channel channel: ChannelConfig,
    }
}
