//! Whose turn it is: lower priorities first, equal ones round robin, a turn being one fragment's
//! worth of bytes, so that small messages of one stream travel together.

use alloc::collections::{BTreeMap, VecDeque};

use crate::id::StreamId;

#[derive(Debug, Default)]
pub(super) struct Schedule {
    ready: BTreeMap<u8, VecDeque<StreamId>>,
    /// Bytes the stream at the front has sent in its turn.
    turn: usize,
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

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}
