//! What was sent and is not acknowledged, in order of position.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::charged::Charged;
use crate::wire::frame::Frame;

/// A frame with a position, and what its acknowledgement sets free.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) frame: Frame,
    /// Charge returned to the senders' account.
    pub(crate) release: usize,
    /// DATA: whether it is part of a message.
    pub(crate) message: bool,
    /// The last fragment of a message of several: the whole, to be handed back if it never arrives.
    pub(crate) whole: Option<Box<Bytes>>,
}

impl Committed {
    /// A frame that no application's account pays for.
    pub(crate) fn control(frame: Frame) -> Committed {
        Committed {
            frame,
            release: 0,
            message: false,
            whole: None,
        }
    }
}

impl Charged for Committed {
    fn charge(&self) -> usize {
        self.frame.charge()
    }
}

/// The deque. Of a session, its bytes are bounded by the outbox's limit (`stream`'s account, which never lies below what is here) plus
/// the control reserve plus one CLOSE.
#[derive(Debug)]
pub(crate) struct Outbox<T = Committed> {
    base: u64,
    kept: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Outbox {
            base: 0,
            kept: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<T: Charged> Outbox<T> {
    /// An empty one, whose first commit gets that position.
    pub(crate) fn beginning_at(base: u64) -> Outbox<T> {
        Outbox {
            base,
            ..Outbox::default()
        }
    }

    /// The position of the oldest: all below is the peer's.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The position the next commit gets.
    pub(crate) fn next(&self) -> u64 {
        self.base + self.kept.len() as u64
    }

    #[cfg(test)]
    pub(crate) fn fast_forward(&mut self, base: u64) {
        self.base = base;
    }

    /// Charges held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives it its position.
    pub(crate) fn commit(&mut self, committed: T) -> u64 {
        let position = self.next();
        self.bytes += committed.charge();
        self.kept.push_back(committed);
        position
    }

    pub(crate) fn get(&self, position: u64) -> Option<&T> {
        self.kept.get(self.index(position)?)
    }

    /// Changes what is kept at that position, and its charge with it.
    #[cfg(feature = "ssm")]
    pub(crate) fn change<R>(&mut self, position: u64, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let index = self.index(position)?;
        let kept = self.kept.get_mut(index)?;
        self.bytes -= kept.charge();
        let result = change(kept);
        self.bytes += kept.charge();
        Some(result)
    }

    fn index(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.base)?).ok()
    }

    /// Takes the oldest out: it was acknowledged, or the session is over.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let committed = self.kept.pop_front()?;
        self.base += 1;
        self.bytes -= committed.charge();
        Some(committed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(position: u64) -> Committed {
        Committed::control(Frame::Ack { position })
    }

    #[test]
    fn positions_are_consecutive_and_survive_acknowledgement() {
        let mut outbox = Outbox::default();
        assert_eq!(
            (outbox.commit(ack(10)), outbox.commit(ack(11)), outbox.commit(ack(12))),
            (0, 1, 2)
        );
        assert!(outbox.pop().is_some());
        assert_eq!((outbox.base(), outbox.next()), (1, 3));
        assert!(outbox.get(0).is_none() && outbox.get(3).is_none());
        assert_eq!(
            outbox.get(2).map(|c| c.frame.clone()),
            Some(Frame::Ack { position: 12 })
        );
    }

    /// Thousands of them wait for an acknowledgement where messages are small; each is charged
    /// [`FRAME_CHARGE`](crate::limits::FRAME_CHARGE) for what it costs beyond its payload.
    #[test]
    fn a_frame_that_is_kept_is_small() {
        assert!(size_of::<Committed>() <= 88, "{} bytes", size_of::<Committed>());
    }

    #[test]
    fn charges_return_to_zero() {
        let mut outbox = Outbox::default();
        outbox.commit(ack(1));
        outbox.commit(ack(1 << 40));
        assert!(outbox.bytes() > 2 * 64);
        while outbox.pop().is_some() {}
        assert_eq!(outbox.bytes(), 0);
    }
}
