//! Whose turn it is: lower priorities first, equal ones round robin, a turn being one fragment's
//! worth of bytes, or what is left of a packet if that is less, so that small messages of one stream travel together.

use alloc::collections::{BTreeMap, VecDeque};

use crate::id::StreamId;
use crate::reliability::Headroom;

#[derive(Debug, Default)]
pub(super) struct Schedule {
    ready: BTreeMap<u8, VecDeque<StreamId>>,
    /// Bytes the stream at the front has sent in its turn.
    turn: usize,
    /// The priority of what was sent last.
    last: u8,
}

impl Schedule {
    /// The caller sees to it that a stream is in at most once.
    pub(super) fn push(&mut self, priority: u8, stream: StreamId) {
        self.ready.entry(priority).or_default().push_back(stream);
    }

    pub(super) fn front(&self) -> Option<(u8, StreamId)> {
        self.ready
            .iter()
            .next()
            .and_then(|(priority, queue)| queue.front().map(|stream| (*priority, *stream)))
    }

    /// The stream at the front sent `bytes`; its turn ends after `quantum`.
    pub(super) fn spent(&mut self, priority: u8, bytes: usize, quantum: usize) {
        self.last = priority;
        self.turn += bytes;
        if self.turn >= quantum {
            self.turn = 0;
            if let Some(queue) = self.ready.get_mut(&priority) {
                queue.rotate_left(1.min(queue.len()));
            }
        }
    }

    /// The stream at the front has nothing more to send.
    pub(super) fn pop(&mut self, priority: u8) {
        self.last = priority;
        self.turn = 0;
        if let Some(queue) = self.ready.get_mut(&priority) {
            queue.pop_front();
            if queue.is_empty() {
                self.ready.remove(&priority);
            }
        }
    }

    pub(super) fn remove(&mut self, priority: u8, stream: StreamId) {
        if let Some(queue) = self.ready.get_mut(&priority) {
            queue.retain(|other| *other != stream);
            if queue.is_empty() {
                self.ready.remove(&priority);
            }
        }
    }

    /// Whether a stream may send where the line has that room.
    pub(super) fn has_turn(&self, headroom: Headroom) -> bool {
        match headroom {
            Headroom::None => false,
            Headroom::Urgent => self.is_urgent(),
            Headroom::Open => !self.ready.is_empty(),
        }
    }

    /// Whether the stream at the front is more urgent than one that waits, or than what was sent last.
    fn is_urgent(&self) -> bool {
        let (first, last) = (self.ready.first_key_value(), self.ready.last_key_value());
        first
            .zip(last)
            .is_some_and(|((first, _), (last, _))| first < last || *first < self.last)
    }
}
