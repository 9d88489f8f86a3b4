//! What outlives every connection: the proof that resuming rests on, and who the peer is.

use crate::id::SessionId;
use crate::security::{PublicKey, ResumptionSecret};
use crate::time::Instant;
use crate::wire::frame::Parameters;

/// What resuming rests on. Belongs to the session and outlives the connection that made it.
pub(super) struct Ticket {
    pub(super) id: SessionId,
    pub(super) secret: ResumptionSecret,
    /// Server: the unconfirmed candidate's.
    pub(super) candidate: Option<ResumptionSecret>,
    /// Client: the highest attach counter used. Server: the highest authentic one.
    pub(super) counter: u64,
    /// Of the server process that made the session.
    pub(super) incarnation: [u8; 8],
    /// When the last attach was confirmed.
    pub(super) attached_at: Instant,
}

/// What the peer proved and asked for.
pub(super) struct Peer {
    pub(super) key: PublicKey,
    pub(super) parameters: Parameters,
}
