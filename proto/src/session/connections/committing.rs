//! New frames get their positions: right before they are packed, or, in a durable session, before that is kept.

use super::packing::{CONTROL_ROOM, Packing};
use crate::limits::MAX_PACKET;
use crate::reliability::{Committed, Headroom};
use crate::wire::frame::Frame;

/// What a durable session commits ahead of its packets at least, so that a fast line is full while that is being kept.
const LEAST_AHEAD: usize = 256 << 10;

impl Packing<'_> {
    /// In a durable session a frame is committed before it may be sent: as much as the line may hold, so that it does not run dry
    /// while that is being kept.
    pub(super) fn commit_ahead(&mut self, limit: usize, headroom: Headroom) {
        if self.session.ledger.journal.is_none() || self.session.closing.peer_closed() {
            return;
        }
        let most = usize::try_from(self.connection.flight.limit()).unwrap_or(usize::MAX);
        let most = most.max(LEAST_AHEAD);
        let space = limit.saturating_sub(CONTROL_ROOM);
        while self.session.ledger.unpacked() < most
            && !self.session.ledger.is_exhausted()
            && self.commit_next(space, headroom)
        {}
    }

    /// Commits the next new frame that takes at most `space` encoded bytes.
    pub(super) fn commit_next(&mut self, space: usize, headroom: Headroom) -> bool {
        let allowance = self.swap_allowance();
        let session = &mut self.session;
        let committed = match session.closing.close_frame(session.ledger) {
            Some(close) => Some(Frame::Close(close))
                .filter(|close| close.charge() <= allowance && close.encoded_len() <= space)
                .map(Committed::control),
            None if session.closing.has_committed() => None,
            None => session.ledger.streams.next_frame(space, allowance, headroom),
        };
        let Some(committed) = committed else { return false };
        let closes = matches!(committed.frame, Frame::Close(_));
        let position = session.ledger.commit(committed);
        if closes {
            self.connection.closed_due |= session.on_close_committed(position);
            self.connection.closes = true;
        }
        true
    }

    /// While a planned swap is unsettled: what may still be committed so that the peer's inbox holds it.
    fn swap_allowance(&self) -> usize {
        let (swap, ledger) = (&self.connection.swap, &*self.session.ledger);
        if !swap.planned || ledger.acked() >= swap.own_from {
            return usize::MAX;
        }
        let theirs = self.session.peer.map_or(0, |peer| peer.inbox_limit);
        let limit = usize::try_from(theirs).unwrap_or(usize::MAX).max(MAX_PACKET);
        limit.saturating_sub(ledger.outbox.bytes())
    }
}
