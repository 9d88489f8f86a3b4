//! What outlives every connection: the proof that resuming rests on, and who the peer is.

use crate::id::SessionId;
use crate::security::{PublicKey, ResumptionSecret};
use crate::time::{Duration, Instant};
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

/// Attempts to attach that proved themselves, since the last one that was confirmed (server).
#[derive(Debug, Default)]
pub(super) struct Attempts {
    count: u32,
    last: Instant,
}

impl Attempts {
    /// How long a client is told to wait that tries too often.
    const PAUSE: Duration = Duration::from_secs(1);

    /// One more.
    ///
    /// # Errors
    /// It is beyond `most`, and too soon after the one before.
    pub(super) fn take(&mut self, now: Instant, most: u32) -> Result<(), Duration> {
        let next = self.last + Attempts::PAUSE;
        if self.count >= most && now < next {
            return Err(next.saturating_since(now));
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        Ok(())
    }
}
