//! What a server has for its sessions, however they come to it.

use std::sync::Arc;

use super::offers::Offers;
use crate::admin::Admin;
use crate::terminal::Terminals;

pub(crate) struct Host {
    pub(super) offers: Arc<Offers>,
    pub(super) terminals: Terminals,
    pub(crate) admin: Arc<Admin>,
    /// Held once more for each stream that is served.
    pub(super) streams: Arc<()>,
}

impl Host {
    pub(crate) fn new(offers: Offers, admin: Arc<Admin>) -> Host {
        Host {
            offers: Arc::new(offers),
            terminals: Terminals::new(),
            admin,
            streams: Arc::default(),
        }
    }

    /// Whether a program runs, or a stream is served. A session without either is of no use to anybody, as that of a client that was killed.
    pub(crate) fn is_in_use(&self) -> bool {
        self.terminals.count() > 0 || Arc::strong_count(&self.streams) > 1
    }
}
