//! A connection that was accepted, and what its client asks for.

use alloc::string::String;

use bytes::Bytes;

use crate::id::{Carrier, SessionId};
use crate::redacted::Redacted;
use crate::security::PublicKey;

/// Names an accepted connection until a session has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a proven client asks for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The client's static key, proven. A client without one of its own shows a fresh key each time.
    pub client_key: PublicKey,
    /// The hint of the shared secret that was proven; `None` if the suite has none.
    pub secret_hint: Option<Bytes>,
    /// The name the client gives the session; up to 255 bytes, may be empty.
    pub name: String,
    /// The opaque credential, up to 7,000 bytes; empty: none.
    pub credential: Bytes,
    /// The session that the client wants to go on with, if it says one: its word only, which the registry or the session's owner holds against the proof. A
    /// host whose sessions are held by several nodes can look it up, and refuse with
    /// [`RetryLater`](crate::server::Refusal::RetryLater) and an alternate where this node cannot decide about it, since a session that is not held
    /// here is otherwise answered `Unknown`, which may end it.
    pub predecessor: Option<SessionId>,
    /// The carrier as the host described it to [`Registry::connection_accepted`](crate::server::Registry::connection_accepted): whether to believe a
    /// credential that came over it is the host's decision.
    pub carrier: Carrier,
}

/// Names the length of the credential, not its bytes.
impl core::fmt::Debug for Request {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Request")
            .field("client_key", &self.client_key)
            .field("secret_hint", &self.secret_hint)
            .field("name", &self.name)
            .field("credential", &Redacted(&self.credential))
            .field("predecessor", &self.predecessor)
            .field("carrier", &self.carrier)
            .finish()
    }
}
