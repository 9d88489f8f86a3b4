//! Frames that were numbered, and their transmissions.

use bytes::Bytes;

use crate::reliability::Charged;
use crate::time::Instant;

/// What a frame costs beyond its bytes while it is kept.
const KEPT: usize = 64;

/// A frame that was numbered.
#[derive(Debug)]
pub(super) struct Sent {
    /// The whole frame, which goes out again as it is. Empty once it is acknowledged.
    pub(super) message: Bytes,
    /// Bytes of the application's in it.
    pub(super) payload: usize,
    /// Whether it carries what the application said, and no handshake.
    pub(super) is_data: bool,
    pub(super) acked: bool,
    /// How often it was transmitted.
    pub(super) times: u32,
    /// The number of its last transmission.
    pub(super) mark: u64,
    pub(super) at: Instant,
    /// How often something later was acknowledged since it was transmitted again.
    pub(super) doubts: u8,
}

impl Charged for Sent {
    fn charge(&self) -> usize {
        self.message.len() + KEPT
    }
}

/// One transmission on the present connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transmission {
    pub(super) mark: u64,
    pub(super) position: u64,
    pub(super) at: Instant,
}

/// What an acknowledgement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acked {
    /// The frame was outstanding.
    pub(super) is_new: bool,
    /// So many others count as delivered now, of which the peer said nothing.
    pub(super) inferred: u32,
}
