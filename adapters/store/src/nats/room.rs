//! How full the stream is: some of it is kept from appends, so that a full store can still be taken over and become less full.

use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::jetstream::stream::Info;

/// What this node knows of the room in the stream.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// How many bytes appends may fill; 0: as many as there are.
    limit: AtomicU64,
    /// How many there are: those that the server told of, and what this node has appended since.
    used: AtomicU64,
}

impl Room {
    /// What the server tells now.
    pub(super) fn learn(&self, info: &Info) {
        let limit = u64::try_from(info.config.max_bytes).unwrap_or(0);
        self.limit.store(limit - limit / 8, Ordering::Relaxed);
        self.used.store(info.state.bytes, Ordering::Relaxed);
    }

    /// Whether so much more may be appended, for all that is known.
    pub(super) fn has(&self, size: usize) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        limit == 0 || self.used.load(Ordering::Relaxed).saturating_add(size) <= limit
    }

    /// So much was appended.
    pub(super) fn fill(&self, size: usize) {
        self.used
            .fetch_add(u64::try_from(size).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
