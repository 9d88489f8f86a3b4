//! One direction of a line.

use std::collections::VecDeque;

/// A piece of a flow on its way.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    pub flow: usize,
    pub bytes: u64,
    /// When it entered the buffer.
    pub entered: u64,
}

/// A buffer before a bottleneck, and a delay behind it. Times are nanoseconds.
#[derive(Debug)]
pub struct Line {
    /// Bytes a second.
    pub rate: u64,
    pub delay: u64,
    /// Bytes that may wait.
    buffer: u64,
    queue: VecDeque<Chunk>,
    queued: u64,
    busy: bool,
}

impl Line {
    pub fn new(rate: u64, delay: u64, buffer: u64) -> Line {
        Line {
            rate,
            delay,
            buffer,
            queue: VecDeque::new(),
            queued: 0,
            busy: false,
        }
    }

    /// Whether the buffer takes `bytes` more.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.queued + bytes <= self.buffer
    }

    pub fn enter(&mut self, chunk: Chunk) {
        self.queued += chunk.bytes;
        self.queue.push_back(chunk);
    }

    /// Begins with the next chunk, if the line is free and one waits: how long it takes, and how long the chunk waited.
    pub fn begin(&mut self, now: u64) -> Option<(u64, u64)> {
        let next = self.queue.front().filter(|_| !self.busy)?;
        self.busy = true;
        Some((next.bytes * 1_000_000_000 / self.rate, now - next.entered))
    }

    /// The chunk that was begun is through.
    pub fn finish(&mut self) -> Option<Chunk> {
        self.busy = false;
        let chunk = self.queue.pop_front()?;
        self.queued -= chunk.bytes;
        Some(chunk)
    }
}
