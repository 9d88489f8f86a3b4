//! The receiving half of a stream: what arrived in order and was not read yet.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::credit::RecvCredit;
use crate::error::RecvError;
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
    queue: VecDeque<(Bytes, bool)>,
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
    pub(super) fn new(window: u64, fragment: usize) -> RecvHalf {
        RecvHalf {
            fragment,
            queue: VecDeque::new(),
            phase: Phase::Open,
            stopped: false,
            over: false,
            credit: RecvCredit::new(window),
            armed: true,
        }
    }

    /// Data in order. Returns the charge discarded at once.
    pub(super) fn push(&mut self, data: Data) -> u64 {
        if data.stream_end {
            self.phase = Phase::Ended;
        }
        if self.stopped {
            let charge = data.charge() as u64;
            self.credit.consume(charge);
            return charge;
        }
        // The bare end of a stream is not something to read; its charge is given back at once.
        if data.stream_end && data.payload.is_empty() && !data.message_end {
            self.credit.consume(FRAME_CHARGE as u64);
            return FRAME_CHARGE as u64;
        }
        self.queue.push_back((data.payload, data.message_end));
        0
    }

    /// The next chunk, and the charge it frees.
    pub(super) fn pop(&mut self) -> Result<Option<(Chunk, u64)>, RecvError> {
        if self.over || self.stopped {
            return Err(RecvError::UnknownStream);
        }
        if let Some((payload, message_end)) = self.queue.pop_front() {
            let charge = (payload.len() + FRAME_CHARGE) as u64;
            self.credit.consume(charge);
            return Ok(Some((Chunk::Data { payload, message_end }, charge)));
        }
        match self.phase {
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
        let held = self.credit.held();
        self.credit.consume(held);
        held
    }

    /// Whether the peer's side of it is settled (its slot may be used again).
    pub(super) fn is_settled(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Whether this half is over: nothing is left to read, and no frame about it can come.
    pub(super) fn is_over(&self) -> bool {
        self.is_settled() && (self.over || self.stopped)
    }

    /// Whether there is something for the application.
    pub(super) fn is_readable(&self) -> bool {
        !self.over && !self.stopped && (!self.queue.is_empty() || self.is_settled())
    }
}
