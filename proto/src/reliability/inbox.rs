//! What arrived ahead of its turn: frames of a session while a planned swap still drains.

use alloc::collections::BTreeMap;

use super::charged::Charged;
use crate::wire::frame::{Close, Frame};

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What is held, by position, bounded in charges.
#[derive(Debug)]
pub(crate) struct Inbox<T = Frame> {
    limit: usize,
    bytes: usize,
    held: BTreeMap<u64, T>,
}

impl<T: Charged> Inbox<T> {
    pub(crate) fn new(limit: usize) -> Inbox<T> {
        Inbox {
            limit,
            bytes: 0,
            held: BTreeMap::new(),
        }
    }

    /// Charges held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps it; what is held already does not change.
    ///
    /// # Errors
    /// The peer sent more than the inbox was said to hold.
    pub(crate) fn insert(&mut self, position: u64, arrived: T) -> Result<(), Full> {
        if self.held.contains_key(&position) {
            return Ok(());
        }
        let bytes = self.bytes + arrived.charge();
        if bytes > self.limit {
            return Err(Full);
        }
        self.bytes = bytes;
        self.held.insert(position, arrived);
        Ok(())
    }

    /// Nothing is held any more.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.bytes = 0;
    }

    /// What is held at that position, whose turn has come.
    pub(crate) fn take(&mut self, position: u64) -> Option<T> {
        let taken = self.held.remove(&position)?;
        self.bytes -= taken.charge();
        Some(taken)
    }
}

impl Inbox {
    /// The highest position held; 0 if nothing is.
    pub(crate) fn highest(&self) -> u64 {
        self.held.last_key_value().map_or(0, |(position, _)| *position)
    }

    /// A CLOSE among them: the last frame of its sender, so it can only be the highest.
    pub(crate) fn close(&self) -> Option<&Close> {
        match self.held.last_key_value() {
            Some((_, Frame::Close(close))) => Some(close),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::id::StreamId;
    use crate::limits::FRAME_CHARGE;
    use crate::wire::frame::Data;

    proptest! {
        /// Kills `inbox_unbounded`. Whatever the sizes: it holds what it says, and never more than its limit.
        #[test]
        fn keeps_to_its_limit(
            limit in 0..40_000usize,
            frames in proptest::collection::vec((0..30u64, 0..5_000usize, any::<bool>()), 0..60),
        ) {
            let mut inbox = Inbox::new(limit);
            for (position, len, taken) in frames {
                let payload = Bytes::from(alloc::vec![0; len]);
                let data = Data { stream: StreamId(1), payload, message_end: false, stream_end: false };
                let (before, new) = (inbox.bytes(), !inbox.held.contains_key(&position));
                let fits = before + len + FRAME_CHARGE <= limit;
                prop_assert_eq!(inbox.insert(position, Frame::Data(data)).is_ok(), fits || !new);
                if taken {
                    let _ = inbox.take(position);
                }
                prop_assert_eq!(inbox.bytes(), inbox.held.values().map(Frame::charge).sum::<usize>());
                prop_assert!(inbox.bytes() <= limit);
            }
        }
    }

    fn reset(code: u64) -> Frame {
        Frame::Reset {
            stream: StreamId(1),
            code,
        }
    }

    // PROTOCOL R10.17
    #[test]
    fn holds_what_was_granted_and_not_a_frame_more() {
        let charge = reset(1).charge();
        let mut inbox = Inbox::new(2 * charge);
        assert_eq!(inbox.insert(5, reset(1)), Ok(()));
        assert_eq!(
            inbox.insert(5, reset(2)),
            Ok(()),
            "the first copy counts, the second costs nothing"
        );
        assert_eq!(inbox.insert(7, reset(1)), Ok(()));
        assert_eq!(inbox.insert(9, reset(1)), Err(Full));
        assert_eq!(inbox.take(5), Some(reset(1)));
        assert_eq!(inbox.take(6), None);
        assert_eq!(inbox.insert(9, reset(1)), Ok(()));
        assert_eq!((inbox.take(7), inbox.take(9)), (Some(reset(1)), Some(reset(1))));
        assert_eq!(inbox.bytes(), 0);
    }
}
