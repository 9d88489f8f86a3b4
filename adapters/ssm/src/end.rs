//! What the two ends do differently on tokio.

use unbroken_proto::id::Side;
use unbroken_proto::ssm::{Agent, AgentRole, Client, ClientRole, DataChannel, Role};
use unbroken_proto::time::Instant;

use crate::service::SealedKey;

/// The end that a [`Session`](crate::Session) is: [`ClientRole`] or [`AgentRole`], and no other.
pub trait End: Role + Send + Sized + 'static {
    /// Whose stream numbers it gives.
    #[doc(hidden)]
    const SIDE: Side;

    /// Hands the data key over, or says why there is none.
    #[doc(hidden)]
    fn data_key(machine: &mut DataChannel<Self>, now: Instant, key: Result<SealedKey, String>);
}

impl End for ClientRole {
    const SIDE: Side = Side::Client;

    fn data_key(machine: &mut Client, now: Instant, key: Result<SealedKey, String>) {
        machine.data_key(now, key.map(|sealed| (sealed.key, sealed.cipher_text)));
    }
}

impl End for AgentRole {
    const SIDE: Side = Side::Server;

    fn data_key(machine: &mut Agent, now: Instant, key: Result<SealedKey, String>) {
        machine.data_key(now, key.map(|sealed| sealed.key));
    }
}
