//! Which messages are overdue, and when. Nothing is dropped for it; the application is told.

use alloc::collections::BTreeSet;

use crate::id::StreamId;
use crate::time::Instant;

/// Deadlines beyond which those of delivered messages are cleared away.
const TIDY_AT: usize = 64;

/// Messages with a deadline: stream and number. Bounded, by what the outbox holds and as much again:
/// each message in it is charged more than its place here, and those that left it are cleared away.
#[derive(Default)]
pub(super) struct Deadlines {
    due: BTreeSet<(Instant, StreamId, u64)>,
    tidy_at: usize,
}

impl Deadlines {
    pub(super) fn add(
        &mut self,
        at: Instant,
        stream: StreamId,
        message: u64,
        delivered: impl Fn(StreamId, u64) -> bool,
    ) {
        if self.due.len() >= self.tidy_at.max(TIDY_AT) {
            self.due.retain(|(_, stream, message)| !delivered(*stream, *message));
            self.tidy_at = self.due.len() * 2;
        }
        self.due.insert((at, stream, message));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// The next that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(StreamId, u64)> {
        self.next().filter(|at| *at <= now)?;
        self.due.pop_first().map(|(_, stream, message)| (stream, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_delivered_is_cleared_away() {
        let mut deadlines = Deadlines::default();
        for message in 0..10_000 {
            deadlines.add(Instant::from_millis(message), StreamId(1), message, |_, n| {
                n + 10 < message
            });
            assert!(deadlines.due.len() <= TIDY_AT, "{message}");
        }
        let first = deadlines.next().expect("because some are left");
        assert_eq!(deadlines.pop(Instant::ZERO), None);
        assert!(deadlines.pop(first).is_some());
    }
}
