//! What service and agent say of a channel as a whole.

use alloc::string::String;

use crate::ssm::json::{body, names};

body! {
    /// The service has ended the channel: the session is over. Real programs end at such a frame whatever its body says, and only the
    /// client looks at `output`; where the body does not decode, the default serves as well.
    pub struct ChannelClosed {
        /// UUID text.
        "MessageId" => pub message_id: String,
        /// When, as text.
        "CreatedDate" => pub created_date: String,
        /// The instance.
        "DestinationId" => pub destination_id: String,
        /// The session.
        "SessionId" => pub session_id: String,
        /// `channel_closed`.
        "MessageType" => pub message_type: String,
        /// 1.
        "SchemaVersion" => pub schema_version: i64,
        /// What the user is shown; empty for an ordinary end.
        "Output" => pub output: String,
    }
}

body! {
    /// The agent tells the service how its session is. It asks for no answer.
    pub struct AgentSessionState {
        /// 1.
        "SchemaVersion" => pub schema_version: i64,
        /// How it is.
        "SessionState" => pub session_state: SessionState,
        /// The session.
        "SessionId" => pub session_id: String,
    }
}

names! {
    /// How a session is at its agent.
    pub enum SessionState {
        /// It has begun.
        Connected = "Connected",
        /// It ends.
        Terminating = "Terminating",
    }
}
