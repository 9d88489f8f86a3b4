//! The session's account with its peer: what we owe (outbox), what we hold (inbox, streams), and
//! which position comes next in each direction. Knows nothing of connections.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use crate::config::SessionConfig;
use crate::durable::{Journal, Mark, Op};
use crate::error::ProtocolError;
use crate::id::Side;
use crate::reliability::{Charged, Committed, Full, Inbox, Outbox};
use crate::stream::Streams;
use crate::wire::frame::{Close, Frame};

/// The highest position there is (PROTOCOL.md, "Words").
const MAX_POSITION: u64 = crate::wire::varint::MAX;

pub(crate) struct Ledger {
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) streams: Streams,
    /// The next position to arrive in order.
    pub(in crate::session) expected: u64,
    /// What every position we state is from our CLOSE, or the peer's, on.
    pub(in crate::session) frozen: Option<u64>,
    /// The position behind the peer's CLOSE, which is its last sequenced frame.
    pub(in crate::session) last: Option<NonZeroU64>,
    /// What is to be kept of all this, if the session is durable.
    pub(crate) journal: Option<Box<Journal>>,
}

/// What became of one sequenced frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was here before.
    Duplicate,
    /// It is held until the gap below it closes.
    Ahead,
    /// It, and perhaps frames held behind it, took effect: so much payload.
    InOrder { payload: u64 },
}

/// A CLOSE that took effect. Boxed, since what becomes of each frame is passed on with the place for it.
#[derive(Debug)]
pub(crate) struct PeerClose {
    pub(crate) close: Box<Close>,
}

impl PeerClose {
    fn new(close: Close) -> PeerClose {
        let close = Box::new(close);
        PeerClose { close }
    }
}

impl Ledger {
    pub(crate) fn new(side: Side, config: &SessionConfig) -> Ledger {
        Ledger {
            outbox: Outbox::default(),
            inbox: Inbox::new(config.inbox_limit),
            streams: Streams::new(side, config),
            expected: 0,
            frozen: None,
            last: None,
            journal: None,
        }
    }

    /// The next position to arrive in order, whether or not it will be accepted.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// The position this end states: everything below is ours, and is kept if the session is durable.
    pub(crate) fn stated(&self) -> u64 {
        let kept = self
            .journal
            .as_ref()
            .map_or(u64::MAX, |journal| journal.kept().expected);
        self.standing().min(kept)
    }

    /// The position that is to be stated, once all that was taken is kept.
    pub(crate) fn standing(&self) -> u64 {
        self.frozen.unwrap_or(self.expected)
    }

    /// Whether all that was taken is kept.
    pub(crate) fn is_settled(&self) -> bool {
        self.stated() == self.standing()
    }

    /// Below this, what is committed may be sent: in a durable session it is kept.
    pub(crate) fn sendable(&self) -> u64 {
        let kept = self.journal.as_ref().map_or(u64::MAX, |journal| journal.kept().next);
        self.next().min(kept)
    }

    /// What waits for all that was done so far to be kept.
    pub(crate) fn mark(&self) -> Mark {
        self.journal.as_ref().map_or(Mark::default(), |journal| journal.mark())
    }

    /// Whether what waits for `mark` may be seen.
    pub(crate) fn has_kept(&self, mark: Mark) -> bool {
        self.journal.as_ref().is_none_or(|journal| journal.has_kept(mark))
    }

    /// An operation is to be kept, if the session is durable.
    pub(crate) fn note(&mut self, op: impl FnOnce() -> Op) {
        if let Some(journal) = &mut self.journal {
            journal.push(&op());
        }
    }

    /// All below is the peer's.
    pub(crate) fn acked(&self) -> u64 {
        self.outbox.base()
    }

    /// The position the next commit gets.
    pub(crate) fn next(&self) -> u64 {
        self.outbox.next()
    }

    /// A frame gets its position.
    pub(crate) fn commit(&mut self, committed: Committed) -> u64 {
        if let Some(journal) = &mut self.journal {
            journal.committed(&committed.frame);
            journal.unpacked += committed.charge();
        }
        self.outbox.commit(committed)
    }

    /// Of a durable session, whether the frame at that position was never packed in this process.
    pub(crate) fn is_unpacked(&self, position: u64) -> bool {
        self.journal.as_ref().is_some_and(|journal| position >= journal.packed)
    }

    /// The charge of what is committed and was never packed (durable sessions).
    pub(crate) fn unpacked(&self) -> usize {
        self.journal.as_ref().map_or(0, |journal| journal.unpacked)
    }

    /// The frame at that position was packed, in this process or, since the peer has it, in one before.
    pub(crate) fn on_packed(&mut self, position: u64) {
        let charge = self.outbox.get(position).map_or(0, Charged::charge);
        if let Some(journal) = self.journal.as_mut().filter(|journal| position >= journal.packed) {
            journal.packed = position + 1;
            journal.unpacked = journal.unpacked.saturating_sub(charge);
        }
    }

    /// Whether we may commit no further frame: the position behind it could not be stated any more.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.next() >= MAX_POSITION
    }

    /// A session that has come far.
    #[cfg(test)]
    pub(crate) fn fast_forward(&mut self, ours: u64, theirs: u64) {
        self.outbox.fast_forward(ours);
        self.expected = theirs;
    }

    /// From now on nothing more is accepted but a CLOSE. Returns a CLOSE that was held in the inbox.
    pub(crate) fn freeze(&mut self) -> Option<PeerClose> {
        self.frozen.get_or_insert(self.expected);
        let held = self.inbox.close();
        held.cloned().map(PeerClose::new)
    }

    /// The connections that they came on are over, and the peer goes on from the next in order: what came ahead of its turn is said again.
    pub(crate) fn forget_ahead(&mut self) {
        self.inbox.clear();
        self.last = self.last.filter(|end| end.get() <= self.expected);
    }

    /// A sequenced frame arrived. `gap_open`: frames ahead of their turn are legal now.
    pub(crate) fn arrive(
        &mut self,
        position: u64,
        frame: Frame,
        gap_open: bool,
    ) -> Result<(Arrival, Option<PeerClose>), ProtocolError> {
        self.check_last(position, &frame)?;
        if position < self.expected {
            return Ok((Arrival::Duplicate, None));
        }
        if position > self.expected {
            if !gap_open {
                return Err(ProtocolError::Gap);
            }
            return match frame {
                // Our own CLOSE is out: the peer's counts wherever it lies.
                Frame::Close(close) if self.frozen.is_some() => Ok((Arrival::Ahead, Some(PeerClose::new(close)))),
                frame => match self.inbox.insert(position, frame) {
                    Ok(()) => Ok((Arrival::Ahead, None)),
                    Err(Full) => Err(ProtocolError::Inbox),
                },
            };
        }
        let mut payload = frame.payload_len();
        let mut close = self.accept(frame)?;
        while let Some(frame) = self.inbox.take(self.expected) {
            payload += frame.payload_len();
            close = self.accept(frame)?.or(close);
        }
        Ok((Arrival::InOrder { payload }, close))
    }

    /// Nothing sequenced lies behind a CLOSE.
    pub(in crate::session) fn check_last(&mut self, position: u64, frame: &Frame) -> Result<(), ProtocolError> {
        if matches!(frame, Frame::Close(_)) {
            let end = NonZeroU64::MIN.saturating_add(position);
            self.last = Some(self.last.map_or(end, |last| last.min(end)));
        }
        match self.last {
            Some(end) if position.max(self.inbox.highest()) >= end.get() => Err(ProtocolError::AfterEnd),
            _ => Ok(()),
        }
    }

    /// Takes the frame at `expected` in. One that is refused is not counted: what is stated then has to be true.
    pub(in crate::session) fn accept(&mut self, frame: Frame) -> Result<Option<PeerClose>, ProtocolError> {
        // At or above the frozen position: counted, not taken.
        let passes = self.frozen.is_some() && !matches!(frame, Frame::Close(_));
        let noted = self.journal.as_ref().and_then(|_| (!passes).then(|| frame.clone()));
        let close = match frame {
            Frame::Close(close) => Some(PeerClose::new(close)),
            _ if passes => None,
            frame => self.streams.on_frame(frame).map(|()| None)?,
        };
        self.expected += 1;
        match (&mut self.journal, noted) {
            (Some(journal), Some(frame)) => journal.accepted(&frame),
            (Some(journal), None) => journal.passed_over(),
            (None, _) => {}
        }
        if close.is_some() {
            self.frozen.get_or_insert(self.expected);
        }
        Ok(close)
    }

    /// Whether the peer says more than this end can keep.
    pub(crate) fn is_overrun(&self) -> bool {
        let granted = self.streams.most_granted();
        self.journal.as_ref().is_some_and(|journal| journal.is_overrun(granted))
    }

    /// The peer holds everything below `position`. Returns the charge freed.
    pub(crate) fn acknowledge(&mut self, position: u64) -> usize {
        let mut freed = 0usize;
        if let Some(journal) = &mut self.journal {
            journal.acked(position);
        }
        while self.outbox.base() < position {
            self.on_packed(self.outbox.base());
            let Some(committed) = self.outbox.pop() else { break };
            freed += committed.frame.charge();
            self.streams.on_acked(&committed);
        }
        freed
    }

    /// Whether no sequenced frame of the peer was ever taken, and none waits for its turn.
    pub(crate) fn received_nothing(&self) -> bool {
        self.expected == 0 && self.inbox.bytes() == 0
    }

    /// Payload bytes of the committed frames from `position` on.
    pub(crate) fn payload_from(&self, position: u64) -> u64 {
        (position..self.next())
            .map_while(|p| self.outbox.get(p))
            .map(|c| match &c.frame {
                Frame::Data(data) => data.payload.len() as u64,
                _ => 0,
            })
            .sum()
    }
}
