//! What is on its way from one end to the other.

use alloc::collections::VecDeque;

use bytes::Bytes;

/// Frames in their order, bounded in bytes, and what became of those before them.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    frames: VecDeque<Bytes>,
    bytes: usize,
    pub(super) passed_frames: u64,
    pub(super) passed_bytes: u64,
    pub(super) overflowed_frames: u64,
    pub(super) overflowed_bytes: u64,
}

impl Pipe {
    /// Whether another frame would find room. The one that reaches the bound is taken whole.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.bytes < most
    }

    /// Takes a frame, or counts it if there is no room.
    pub(super) fn push(&mut self, frame: Bytes, most: usize) {
        if self.has_room(most) {
            self.push_last(frame);
        } else {
            self.overflowed_frames = self.overflowed_frames.saturating_add(1);
            self.overflowed_bytes = self.overflowed_bytes.saturating_add(frame.len() as u64);
        }
    }

    /// Takes the last frame of all, for which there is always room.
    pub(super) fn push_last(&mut self, frame: Bytes) {
        self.bytes = self.bytes.saturating_add(frame.len());
        self.frames.push_back(frame);
    }

    /// The next frame.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(frame.len());
        self.passed_frames = self.passed_frames.saturating_add(1);
        self.passed_bytes = self.passed_bytes.saturating_add(frame.len() as u64);
        Some(frame)
    }

    /// Forgets what is on its way.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
