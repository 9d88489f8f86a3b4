//! Which messages are overdue, and when. None is dropped because of it; the application gets an event.

use alloc::collections::BTreeSet;

use crate::id::StreamId;
use crate::time::Instant;

/// Overdue beyond which those of delivered messages are cleared away.
const TIDY_AT: usize = 64;
/// Overdue messages nobody has asked about, beyond which those that arrived after all are forgotten.
const TIDY_TOLD_AT: usize = 1_024;

/// Messages with a deadline: stream and number. Bounded, by what the outbox holds (each message in it is charged
/// more than its place here) and what its host watches, and as much again: those that are delivered are cleared away.
#[derive(Default)]
pub(crate) struct Overdue {
    due: BTreeSet<(Instant, StreamId, u64)>,
    tidy_at: usize,
    /// Events of this module that wait to be asked for.
    told: usize,
    tidy_told_at: usize,
}

impl Overdue {
    pub(crate) fn add(
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

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// The next that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(StreamId, u64)> {
        self.next().filter(|at| *at <= now)?;
        self.due.pop_first().map(|(_, stream, message)| (stream, message))
    }

    /// Removes all deadlines; events that wait can still be asked for.
    pub(crate) fn clear(&mut self) {
        self.due.clear();
    }

    /// Whether so many events wait to be asked for that the outdated ones are to be forgotten.
    pub(crate) fn is_full(&self) -> bool {
        self.told >= self.tidy_told_at.max(TIDY_TOLD_AT)
    }

    /// One event more waits for the host.
    pub(crate) fn on_told(&mut self) {
        self.told += 1;
    }

    /// Outdated events were forgotten; `told` are left.
    pub(crate) fn retold(&mut self, told: usize) {
        self.told = told;
        self.tidy_told_at = told * 2;
    }

    /// An event of this module was asked for.
    pub(crate) fn on_asked(&mut self) {
        self.told = self.told.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_delivered_is_cleared_away() {
        let mut overdue = Overdue::default();
        for message in 0..10_000 {
            overdue.add(Instant::from_millis(message), StreamId(1), message, |_, n| {
                n + 10 < message
            });
            assert!(overdue.due.len() <= TIDY_AT, "{message}");
        }
        let first = overdue.next().expect("because some are left");
        assert_eq!(overdue.pop(Instant::ZERO), None);
        assert!(overdue.pop(first).is_some());
    }
}
