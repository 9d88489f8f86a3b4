//! What is on the way in one direction, between a thread that reads and one that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// What is on the way.
#[derive(Debug, Default)]
pub(super) struct Way {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    held: usize,
    /// Nothing more is read.
    ended: bool,
    /// Nothing more is written.
    broken: bool,
}

#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) due: Instant,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn sleep_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::sleep(left);
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until less than `most` is held; false: nobody writes any more.
    pub(super) fn wait_for_room(&self, most: usize) -> bool {
        let mut state = self.lock();
        while state.held >= most && !state.broken {
            state = self.wait(state);
        }
        !state.broken
    }

    pub(super) fn push(&self, chunk: Chunk) {
        let mut state = self.lock();
        state.held += chunk.bytes.len();
        state.chunks.push_back(chunk);
        self.changed.notify_all();
    }

    /// The next chunk, due or not; `None`: there is none left and none comes, or it has been broken off.
    pub(super) fn pop(&self) -> Option<Chunk> {
        let mut state = self.lock();
        loop {
            if state.broken {
                return None;
            }
            if let Some(chunk) = state.chunks.pop_front() {
                return Some(chunk);
            }
            if state.ended {
                return None;
            }
            state = self.wait(state);
        }
    }

    pub(super) fn delivered(&self, bytes: usize) {
        self.lock().held -= bytes;
        self.changed.notify_all();
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    pub(super) fn break_off(&self) {
        self.lock().broken = true;
        self.changed.notify_all();
    }

    /// Bytes that are not delivered yet.
    pub(super) fn held(&self) -> usize {
        self.lock().held
    }
}
