//! What a session has counted so far.

use crate::stats::Stats;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) stats: Stats,
    /// Payload bytes packed below what the peer had stated: an invariant, not a statistic.
    pub(crate) redundant: u64,
}
