//! The agent's first word: what it asks of the client.

use alloc::string::String;
use alloc::vec::Vec;

use crate::ssm::body::kms::KmsParameters;
use crate::ssm::body::port::PortProperties;
use crate::ssm::body::raw::RawJson;
use crate::ssm::json::{BodyError, body, names};

body! {
    /// The agent begins the handshake.
    pub struct HandshakeRequest {
        /// Four numbers with dots.
        "AgentVersion" => pub agent_version: String,
        /// What the client is to do: first the session type, then encryption if it is asked for.
        "RequestedClientActions" => pub requested_client_actions: Vec<RequestedClientAction>,
    }
}

body! {
    /// One thing that the client is to do.
    pub struct RequestedClientAction {
        /// Which.
        "ActionType" => pub action_type: ActionType,
        /// What belongs to it. Whatever it is, the request as a whole decodes: a client answers for each action.
        "ActionParameters" => pub action_parameters: RawJson,
    }
}

impl RequestedClientAction {
    /// The action that states the session type.
    #[must_use]
    pub fn with_session_type(parameters: &SessionTypeParameters) -> RequestedClientAction {
        RequestedClientAction {
            action_type: ActionType::SessionType,
            action_parameters: RawJson::of(parameters),
        }
    }

    /// The action that asks for encryption.
    #[must_use]
    pub fn with_kms(parameters: &KmsParameters) -> RequestedClientAction {
        RequestedClientAction {
            action_type: ActionType::KmsEncryption,
            action_parameters: RawJson::of(parameters),
        }
    }

    /// The parameters of [`ActionType::SessionType`].
    ///
    /// # Errors
    /// They are something else, or the properties are neither an object nor `null`.
    pub fn session_type(&self) -> Result<SessionTypeParameters, BodyError> {
        let read: SessionTypeParameters = self.action_parameters.read()?;
        if read.properties.is_object() || read.properties.is_null() {
            Ok(read)
        } else {
            Err(BodyError::Malformed)
        }
    }

    /// The parameters of [`ActionType::KmsEncryption`].
    ///
    /// # Errors
    /// They are something else.
    pub fn kms(&self) -> Result<KmsParameters, BodyError> {
        self.action_parameters.read()
    }
}

names! {
    /// What can be asked of a client.
    pub enum ActionType {
        /// To run a session of some type: [`SessionTypeParameters`].
        SessionType = "SessionType",
        /// To get a data key: [`KmsParameters`], answered by [`KmsResult`](crate::ssm::body::KmsResult).
        KmsEncryption = "KMSEncryption",
    }
}

body! {
    /// What kind of session it is.
    pub struct SessionTypeParameters {
        /// Its type.
        "SessionType" => pub session_type: SessionType,
        /// An object for [`SessionType::Port`]: [`port`](Self::port). `null` for the types that are shells.
        "Properties" => pub properties: RawJson,
    }
}

impl SessionTypeParameters {
    /// The properties of a port session.
    ///
    /// # Errors
    /// One of them is something else than a string.
    pub fn port(&self) -> Result<PortProperties, BodyError> {
        self.properties.read()
    }
}

names! {
    /// Types of sessions.
    pub enum SessionType {
        /// A shell.
        StandardStream = "Standard_Stream",
        /// A command with a terminal; a shell to the client.
        InteractiveCommands = "InteractiveCommands",
        /// A command without a terminal; a shell to the client.
        NonInteractiveCommands = "NonInteractiveCommands",
        /// One TCP stream or, with smux, many.
        Port = "Port",
    }
}
