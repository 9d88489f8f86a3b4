//! How much longer than usual silence is borne.

/// How much longer than usual silence is borne, because a slow link is not a dead one. One for all
/// connections of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    pub(super) doublings: u16,
    /// The last connection was given up by our own verdict, which may have come too early.
    in_doubt: bool,
    /// Attaches in a row that had something to send again and brought no acknowledgement.
    replays: u32,
}

impl Patience {
    /// A connection is over; `progress`: the peer acknowledged something on it.
    pub(crate) fn on_lost(&mut self, progress: bool, by_silence: bool) {
        self.doublings = if progress { 0 } else { self.doublings.saturating_add(1) };
        self.in_doubt = by_silence && !progress;
    }

    /// The peer acknowledged something new.
    pub(crate) fn on_progress(&mut self) {
        *self = Patience::default();
    }

    /// A new connection began; `progress`: the position that the peer stated for it shows that something
    /// had arrived on the one before. If that one was given up for its silence, the silence was mere slowness.
    pub(crate) fn on_attached(&mut self, progress: bool) {
        if progress && !self.in_doubt {
            self.doublings = 0;
        }
        self.in_doubt = false;
    }

    /// The same connection sends something again (`again`) that the one before did not deliver.
    pub(crate) fn on_replay(&mut self, progress: bool, again: bool) {
        self.replays = if progress { 0 } else { self.replays + u32::from(again) };
    }

    /// Attaches in a row that sent the same again and brought no acknowledgement.
    pub(crate) fn replays(&self) -> u32 {
        self.replays
    }
}
