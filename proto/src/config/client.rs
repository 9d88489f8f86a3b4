//! What the dialling end chooses.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::session::SessionConfig;
use crate::error::ConfigError;
use crate::limits::{MAX_CREDENTIAL, MAX_NAME};
use crate::reconnect::{Backoff, Handover, Strategies};
use crate::redacted::Redacted;
use crate::security::{Auth, Suite};
use crate::setters::setters;

/// What the dialling end needs.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Limits and timers.
    pub session: SessionConfig,
    /// Who we are and whom we trust.
    pub auth: Auth,
    /// Suites to try, best first; default [`Suite::preferred`].
    pub suites: Vec<Suite>,
    /// A name the server may list the session under; up to 255 bytes.
    pub name: String,
    /// A bearer token, API key or the like for the accepting host, up to 7,000 bytes. It is sent only
    /// once the server has proven itself (see PROTOCOL.md, "Credential").
    pub credential: Bytes,
    /// When to dial again.
    pub backoff: Backoff,
    /// What is done about each cause.
    pub strategies: Strategies,
    /// Attempts kept for [`Reconnecting::history`](crate::session::Reconnecting::history), some 100 bytes each. Owner: the session.
    /// 0 to 65,536, default 64.
    pub history_limit: usize,
    /// What the session before this one left, if this one takes its place.
    pub handover: Option<Box<Handover>>,
}

/// Names the length of the credential, not its bytes.
impl core::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("session", &self.session)
            .field("auth", &self.auth)
            .field("suites", &self.suites)
            .field("name", &self.name)
            .field("credential", &Redacted(&self.credential))
            .field("backoff", &self.backoff)
            .field("strategies", &self.strategies)
            .field("history_limit", &self.history_limit)
            .field("handover", &self.handover)
            .finish()
    }
}

impl ClientConfig {
    /// The defaults, with `auth`.
    #[must_use]
    pub fn new(auth: Auth) -> ClientConfig {
        ClientConfig {
            session: SessionConfig::default(),
            auth,
            suites: Suite::preferred(),
            name: String::new(),
            credential: Bytes::new(),
            backoff: Backoff::default(),
            strategies: Strategies::default(),
            history_limit: 64,
            handover: None,
        }
    }

    /// Checks every limit documented on the fields.
    ///
    /// # Errors
    /// The first field found out of its range, or an identity that no suite fits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.session.validate()?;
        self.backoff.validate()?;
        if self.history_limit > 65_536 {
            return Err(ConfigError::OutOfRange {
                field: "history_limit",
                min: 0,
                max: 65_536,
            });
        }
        self.auth.validate(&self.suites)?;
        if self.name.len() > MAX_NAME {
            return Err(ConfigError::TooLong {
                field: "name",
                max: MAX_NAME,
            });
        }
        if self.credential.len() > MAX_CREDENTIAL {
            return Err(ConfigError::TooLong {
                field: "credential",
                max: MAX_CREDENTIAL,
            });
        }
        Ok(())
    }
}

setters! {
    ClientConfig {
        with_session session: SessionConfig,
        with_auth auth: Auth,
        with_suites suites: Vec<Suite>,
        with_name name: String,
        with_credential credential: Bytes,
        with_backoff backoff: Backoff,
        with_strategies strategies: Strategies,
        with_history_limit history_limit: usize,
    }
}

impl ClientConfig {
    /// The same after a session that ended and left `handover`.
    #[must_use]
    pub fn with_handover(mut self, handover: Handover) -> ClientConfig {
        self.handover = Some(Box::new(handover));
        self
    }
}
