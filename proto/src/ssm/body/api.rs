//! Bodies of the HTTP calls that allow a connection.

use alloc::string::String;

use crate::ssm::body::token::Token;
use crate::ssm::json::body;

body! {
    /// What an agent posts before each connection. The answer is XML, with elements `MessageSchemaVersion` and `TokenValue`.
    pub struct CreateDataChannel {
        /// `1.0`.
        "MessageSchemaVersion" => pub message_schema_version: String,
        /// UUID text, one for all tries of one outage.
        "RequestId" => pub request_id: String,
        /// The same on each connection.
        "ClientId" => pub client_id: String,
    }
}

body! {
    /// What a client posts when its connection is lost; the answer is a [`SessionGrant`].
    pub struct ResumeSession {
        /// The session.
        "SessionId" => pub session_id: String,
    }
}

body! {
    /// The answer to StartSession and to ResumeSession.
    pub struct SessionGrant {
        /// The session.
        "SessionId" => pub session_id: String,
        /// For [`OpenDataChannel`](crate::ssm::body::OpenDataChannel); empty when the session is no more.
        "TokenValue" => pub token_value: Token,
        /// Where to connect. Clients before 1.2.835.0 go on with the first one.
        "StreamUrl" => pub stream_url: String,
    }
}
