//! The first message of a connection.

use alloc::string::String;

use crate::ssm::body::token::Token;
use crate::ssm::json::body;

/// The only schema version there is.
const SCHEMA: &str = "1.0";

body! {
    /// What each end says first, in a TEXT message, and gets no answer to. Whoever has a `client_instance_id` is an agent.
    pub struct OpenDataChannel {
        /// `1.0`.
        "MessageSchemaVersion" => pub message_schema_version: String,
        /// UUID text, new for each connection.
        "RequestId" => pub request_id: String,
        /// From the call that allowed this connection.
        "TokenValue" => pub token_value: Token,
        /// The agent's instance.
        "ClientInstanceId" => pub client_instance_id: Option<String>,
        /// The same on each connection of one process; UUID text from a client.
        "ClientId" => pub client_id: String,
        /// The client's version; plugins before 1.2.677.0 do not say it.
        "ClientVersion" => pub client_version: Option<String>,
    }
}

impl OpenDataChannel {
    /// What a client says.
    #[must_use]
    pub fn client(request_id: String, token: Token, client_id: String, version: String) -> OpenDataChannel {
        OpenDataChannel {
            message_schema_version: SCHEMA.into(),
            request_id,
            token_value: token,
            client_instance_id: None,
            client_id,
            client_version: Some(version),
        }
    }

    /// What an agent says.
    #[must_use]
    pub fn agent(request_id: String, token: Token, client_id: String, instance_id: String) -> OpenDataChannel {
        OpenDataChannel {
            message_schema_version: SCHEMA.into(),
            request_id,
            token_value: token,
            client_instance_id: Some(instance_id),
            client_id,
            client_version: None,
        }
    }

    /// Whether an agent says it, and not a client.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        self.client_instance_id.is_some()
    }
}
