//! Where a port session leads.

use alloc::string::String;

use crate::ssm::body::raw::RawJson;
use crate::ssm::json::body;

/// The `type` with which the client listens on a port and forwards each connection.
pub const LOCAL_PORT_FORWARDING: &str = "LocalPortForwarding";
/// The `localConnectionType` with which the client listens on a Unix socket.
pub const UNIX: &str = "unix";

body! {
    /// The properties of a port session: those of the session document with their parameters put in. All are strings, numbers too.
    pub struct PortProperties {
        /// The port on the agent's side.
        "portNumber" => pub port_number: Option<String>,
        /// The port to listen on; none or empty for any.
        "localPortNumber" => pub local_port_number: Option<String>,
        /// The host that the agent connects to; none or empty for its own.
        "host" => pub host: Option<String>,
        /// The Unix socket to listen on.
        "localUnixSocket" => pub local_unix_socket: Option<String>,
        /// [`UNIX`] to listen on a Unix socket.
        "localConnectionType" => pub local_connection_type: Option<String>,
        /// [`LOCAL_PORT_FORWARDING`], or the session is one byte stream (ssh).
        "type" => pub kind: Option<String>,
    }
}

impl PortProperties {
    /// As they stand in [`SessionTypeParameters`](crate::ssm::body::SessionTypeParameters).
    #[must_use]
    pub fn to_raw(&self) -> RawJson {
        RawJson::of(self)
    }

    /// Whether the client listens and forwards, instead of being one byte stream.
    #[must_use]
    pub fn is_local_port_forwarding(&self) -> bool {
        self.kind.as_deref() == Some(LOCAL_PORT_FORWARDING)
    }
}
