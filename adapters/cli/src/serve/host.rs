//! What a server has for its sessions, however they come to it.

use std::sync::Arc;

use super::offers::Offers;
use crate::admin::Admin;
use crate::terminal::Terminals;

pub(crate) struct Host {
    pub(super) offers: Offers,
    pub(super) terminals: Terminals,
    pub(crate) admin: Arc<Admin>,
    /// Held once more by all that is served.
    served: Arc<()>,
}

impl Host {
    pub(crate) fn new(offers: Offers, admin: Arc<Admin>) -> Host {
        Host {
            offers,
            terminals: Terminals::new(),
            admin,
            served: Arc::default(),
        }
    }

    /// Holds the server for as long as it lives.
    pub(crate) fn in_use(&self) -> Arc<()> {
        Arc::clone(&self.served)
    }

    /// Whether a program runs, a stream is served or somebody is connected. A session without all that is of no use to anybody, as that of a
    /// client that was killed.
    pub(crate) fn is_in_use(&self) -> bool {
        self.terminals.count() > 0 || Arc::strong_count(&self.served) > 1
    }
}
