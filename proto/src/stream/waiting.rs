//! What is queued and waits for somebody else than the line. It is bounded apart, so that it cannot starve the streams that move.

/// Charges of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Beyond what the peer granted: for readers.
    pub(super) readers: usize,
    /// On streams that are not open: for a slot, which another stream may have to give up first.
    pub(super) slots: usize,
}

impl Waiting {
    /// The part that a stream counts in.
    pub(super) fn part(&mut self, opened: bool) -> &mut usize {
        if opened { &mut self.readers } else { &mut self.slots }
    }

    pub(super) fn total(self) -> usize {
        self.readers + self.slots
    }

    /// Of `limit`, how much more may wait on a stream. Half as much again is for the streams that have a slot, which what waits for one has to
    /// leave room to; the rest of the outbox is for those that move.
    pub(super) fn room(self, limit: usize, opened: bool) -> usize {
        if !opened {
            return limit.saturating_sub(self.total());
        }
        let all = limit + limit / 2;
        limit.saturating_sub(self.readers).min(all.saturating_sub(self.total()))
    }
}
