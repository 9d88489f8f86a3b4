//! The receiving half of a stream: what arrived in order and was not read yet.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::credit::RecvCredit;
use crate::error::{ConsumeError, RecvError};
use crate::event::Place;
use crate::limits::FRAME_CHARGE;
use crate::wire::frame::Data;

/// What `recv` hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes, in order.
    Data {
        /// The bytes (may be empty when an empty message ends here).
        payload: Bytes,
        /// Whether a message ends behind them. Byte streams never set it.
        message_end: bool,
    },
    /// The peer finished the stream; nothing follows.
    End,
}

/// What of a stream is here and not known to be kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unkept {
    /// That it was opened.
    pub(super) opening: bool,
    /// So many chunks at the end of what is queued.
    pub(super) chunks: usize,
    /// That the peer's half has its end.
    pub(super) end: bool,
    /// That the peer wants no more of ours.
    pub(super) stop: bool,
}

/// Of a durable session: what was handed out stays until the application has dealt with it.
#[derive(Clone, Debug)]
pub(super) struct Unconsumed {
    /// How many chunks at the front of the queue were handed out.
    read: usize,
    /// Where the queue begins: all before was dealt with.
    pub(super) front: Place,
    /// Behind what was handed out.
    pub(super) reached: Place,
    /// Behind all that arrived, whether or not it was discarded.
    pub(super) arrived: Place,
    /// Nothing was handed out in this process, so that the application may say what it dealt with in the one before.
    fresh: bool,
    /// It was noted that the application is done with this half.
    pub(super) noted: bool,
    pub(super) unkept: Unkept,
}

impl Unconsumed {
    pub(super) fn new(front: Place) -> Unconsumed {
        Unconsumed {
            read: 0,
            front,
            reached: front,
            arrived: front,
            fresh: true,
            noted: false,
            unkept: Unkept::default(),
        }
    }
}

/// Copies a payload out of its packet when it is much smaller: a small slice must not pin a large
/// allocation for as long as it waits to be read.
pub(crate) fn copy_if_small(data: &mut Data, packet_len: usize) {
    if data.payload.len().saturating_mul(8) < packet_len {
        data.payload = Bytes::copy_from_slice(&data.payload);
    }
}

/// How the peer's half stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// More may come.
    Open,
    /// The peer finished it; the end is behind what is queued.
    Ended,
    /// The peer abandoned it.
    Reset { code: u64 },
}

#[derive(Debug)]
pub(super) struct RecvHalf {
    /// The longest payload of a frame, as OPEN stated it.
    pub(super) fragment: usize,
    pub(super) queue: VecDeque<(Bytes, bool)>,
    /// What it means that a chunk was read, if the session is durable.
    pub(super) unconsumed: Option<Box<Unconsumed>>,
    pub(super) phase: Phase,
    /// `stop` was called here: what comes is discarded.
    pub(super) stopped: bool,
    /// The application has been told of the end.
    pub(super) over: bool,
    pub(super) credit: RecvCredit,
    /// The application found nothing to read and is to be told when that changes.
    pub(super) armed: bool,
}

impl RecvHalf {
    pub(super) fn new(window: u64, fragment: usize, durable: bool) -> RecvHalf {
        RecvHalf {
            fragment,
            queue: VecDeque::new(),
            unconsumed: durable.then(|| Box::new(Unconsumed::new(Place::default()))),
            phase: Phase::Open,
            stopped: false,
            over: false,
            credit: RecvCredit::new(window),
            armed: true,
        }
    }

    /// Data in order. Returns the charge discarded at once. `hidden`: it is not seen before it is kept.
    pub(super) fn push(&mut self, data: Data, hidden: bool) -> u64 {
        if data.stream_end {
            self.phase = Phase::Ended;
        }
        if self.stopped {
            let charge = data.charge() as u64;
            self.credit.consume(charge);
            return charge;
        }
        let is_bare_end = data.is_bare_end();
        if let Some(unconsumed) = self.unconsumed.as_mut().filter(|_| hidden) {
            unconsumed.unkept.end |= data.stream_end;
            unconsumed.unkept.chunks += usize::from(!is_bare_end);
        }
        // It is not something to read; its charge is given back at once.
        if is_bare_end {
            self.credit.consume(FRAME_CHARGE as u64);
            return FRAME_CHARGE as u64;
        }
        if let Some(unconsumed) = &mut self.unconsumed {
            unconsumed.arrived = unconsumed.arrived.behind(data.payload.len(), data.message_end);
        }
        self.queue.push_back((data.payload, data.message_end));
        0
    }

    /// How many chunks at the front of the queue may be seen.
    fn shown(&self) -> usize {
        self.queue.len().saturating_sub(self.unkept().chunks)
    }

    pub(super) fn unkept(&self) -> Unkept {
        let unconsumed = self.unconsumed.as_ref();
        unconsumed.map_or(Unkept::default(), |unconsumed| unconsumed.unkept)
    }

    pub(super) fn unkept_mut(&mut self) -> Option<&mut Unkept> {
        self.unconsumed.as_mut().map(|unconsumed| &mut unconsumed.unkept)
    }

    /// Whether the application will see more, once that is kept.
    pub(super) fn has_unkept(&self) -> bool {
        let unkept = self.unkept();
        unkept.chunks > 0 || unkept.end
    }

    /// What was not kept is never seen. Returns its charge.
    pub(super) fn forget_unkept(&mut self) -> u64 {
        let (shown, unkept) = (self.shown(), self.unkept());
        let dropped = self.queue.drain(shown..);
        let charge = dropped.map(|(payload, _)| (payload.len() + FRAME_CHARGE) as u64).sum();
        self.credit.consume(charge);
        if unkept.end {
            self.phase = Phase::Open;
        }
        if let Some(unkept) = self.unkept_mut() {
            *unkept = Unkept::default();
        }
        charge
    }

    /// The application has dealt with all up to `place`. Returns the charge that this frees.
    ///
    /// # Errors
    /// It was not handed out, or nothing is kept here.
    pub(super) fn consume(&mut self, place: Place) -> Result<u64, ConsumeError> {
        let unconsumed = self.unconsumed.as_ref().ok_or(ConsumeError::NotDurable)?;
        if unconsumed.fresh && place > self.read_before() {
            return Err(ConsumeError::Ahead);
        }
        if !unconsumed.fresh && place > unconsumed.reached {
            return Err(ConsumeError::Unread);
        }
        Ok(self.drop_until(place))
    }

    /// How far a process before this one can have read: only what was kept.
    fn read_before(&self) -> Place {
        let Some(unconsumed) = &self.unconsumed else {
            return Place::default();
        };
        if unconsumed.unkept.chunks == 0 {
            return unconsumed.arrived;
        }
        let shown = self.queue.iter().take(self.shown());
        shown.fold(unconsumed.front, |place, (payload, message_end)| {
            place.behind(payload.len(), *message_end)
        })
    }

    /// Drops what lies before `place`; returns its charge.
    fn drop_until(&mut self, place: Place) -> u64 {
        let Some(unconsumed) = &mut self.unconsumed else {
            return 0;
        };
        let mut freed = 0;
        // An empty chunk that is not seen yet lies at the place behind the one before it.
        while self.queue.len() > unconsumed.unkept.chunks
            && let Some((payload, message_end)) = self.queue.front_mut()
        {
            let behind = unconsumed.front.behind(payload.len(), *message_end);
            if behind > place {
                if unconsumed.front.messages == place.messages {
                    let part = place.bytes.saturating_sub(unconsumed.front.bytes);
                    let part = usize::try_from(part).unwrap_or(usize::MAX).min(payload.len());
                    payload.advance(part);
                    unconsumed.front.bytes += part as u64;
                    freed += part as u64;
                }
                break;
            }
            freed += (payload.len() + FRAME_CHARGE) as u64;
            unconsumed.front = behind;
            unconsumed.read = unconsumed.read.saturating_sub(1);
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            // What lay between was discarded.
            unconsumed.front = unconsumed.front.max(place);
        }
        unconsumed.reached = unconsumed.reached.max(unconsumed.front);
        self.credit.consume(freed);
        freed
    }

    /// The next chunk, and the charge it frees.
    pub(super) fn pop(&mut self) -> Result<Option<(Chunk, u64)>, RecvError> {
        if self.over || self.stopped {
            return Err(RecvError::UnknownStream);
        }
        let shown = self.shown();
        if let Some(unconsumed) = &mut self.unconsumed {
            let next = self.queue.get(unconsumed.read).filter(|_| unconsumed.read < shown);
            if let Some((payload, message_end)) = next {
                let (payload, message_end) = (payload.clone(), *message_end);
                unconsumed.read += 1;
                unconsumed.fresh = false;
                unconsumed.reached = unconsumed.reached.behind(payload.len(), message_end);
                return Ok(Some((Chunk::Data { payload, message_end }, 0)));
            }
        } else if let Some((payload, message_end)) = self.queue.pop_front() {
            let charge = (payload.len() + FRAME_CHARGE) as u64;
            self.credit.consume(charge);
            return Ok(Some((Chunk::Data { payload, message_end }, charge)));
        }
        match self.phase {
            _ if self.has_unkept() => {
                self.armed = true;
                Ok(None)
            }
            Phase::Open => {
                self.armed = true;
                Ok(None)
            }
            Phase::Ended => {
                self.over = true;
                Ok(Some((Chunk::End, 0)))
            }
            Phase::Reset { code } => {
                self.over = true;
                Err(RecvError::Reset(code))
            }
        }
    }

    /// Throws away what is unread; returns its charge.
    pub(super) fn discard(&mut self) -> u64 {
        self.queue.clear();
        if let Some(unconsumed) = &mut self.unconsumed {
            unconsumed.read = 0;
            unconsumed.unkept.chunks = 0;
        }
        let held = self.credit.held();
        self.credit.consume(held);
        held
    }

    /// Whether the peer's side of it is settled (its slot may be used again).
    pub(super) fn is_settled(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Whether this half is over: nothing is left to read or to deal with, and no frame about it can come.
    pub(super) fn is_over(&self) -> bool {
        self.is_settled() && ((self.over && self.queue.is_empty()) || self.stopped)
    }

    /// Whether it is news that this half is over, for a journal.
    pub(super) fn take_news_of_over(&mut self) -> bool {
        let is_over = self.is_over();
        let unconsumed = self
            .unconsumed
            .as_mut()
            .filter(|unconsumed| is_over && !unconsumed.noted);
        unconsumed.map(|unconsumed| unconsumed.noted = true).is_some()
    }

    /// Whether there is something for the application.
    pub(super) fn is_readable(&self) -> bool {
        let read = self.unconsumed.as_ref().map_or(0, |unconsumed| unconsumed.read);
        let has_end = self.is_settled() && !self.unkept().end;
        !self.over && !self.stopped && (self.shown() > read || has_end)
    }
}
