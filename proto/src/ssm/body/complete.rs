//! The end of the handshake.

use alloc::string::String;

use crate::ssm::json::body;

body! {
    /// The handshake is over, and data may be sent.
    pub struct HandshakeComplete {
        /// How long it took, in nanoseconds.
        "HandshakeTimeToComplete" => pub time_to_complete_nanos: i64,
        /// What the user is shown, on a line of its own; nothing if it is empty.
        "CustomerMessage" => pub customer_message: String,
    }
}
