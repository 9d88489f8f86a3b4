//! Which messages are overdue, and when. Nothing is dropped for it; the application is told.

use alloc::collections::BTreeSet;

use super::Session;
use crate::error::UnknownStream;
use crate::event::Event;
use crate::id::StreamId;
use crate::time::{Duration, Instant};

/// Deadlines beyond which those of delivered messages are cleared away.
const TIDY_AT: usize = 64;
/// Overdue messages nobody has asked about, beyond which those that arrived after all are forgotten.
const TIDY_TOLD_AT: usize = 1_024;
/// How far ahead of what was sent a message may be watched.
const WATCH_AHEAD: u64 = 16_384;

/// Messages with a deadline: stream and number. Bounded, by what the outbox holds (each message in it is charged
/// more than its place here) and what its host watches, and as much again: those that are delivered are cleared away.
#[derive(Default)]
pub(super) struct Deadlines {
    due: BTreeSet<(Instant, StreamId, u64)>,
    tidy_at: usize,
    /// Events of this room that wait to be asked for.
    told: usize,
    tidy_told_at: usize,
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

    /// No deadline is left; what was told can still be asked for.
    pub(super) fn clear(&mut self) {
        self.due.clear();
    }

    /// An event of this room was asked for.
    pub(super) fn on_asked(&mut self) {
        self.told = self.told.saturating_sub(1);
    }
}

impl Session {
    /// For a host that keeps messages in a queue of its own: as [`send_within`](Self::send_within), of a message that is
    /// still to be sent, the `message`th of the stream (from 1). The time begins now.
    ///
    /// # Errors
    /// There is no such sending half, or it is over 16,384 messages ahead; nothing is told of it.
    pub fn watch(
        &mut self,
        now: Instant,
        stream: StreamId,
        message: u64,
        within: Duration,
    ) -> Result<(), UnknownStream> {
        let streams = &self.ledger.streams;
        let known = streams.is_sending(stream) && message <= streams.messages_sent(stream) + WATCH_AHEAD;
        if known {
            let delivered = |stream, message| streams.is_delivered(stream, message);
            self.deadlines.add(now + within, stream, message, delivered);
        }
        self.settle(now);
        if known { Ok(()) } else { Err(UnknownStream(stream)) }
    }

    /// Tells of what is overdue by now.
    pub(super) fn on_deadlines(&mut self, now: Instant) {
        while let Some((stream, message)) = self.deadlines.pop(now) {
            if self.ledger.streams.is_delivered(stream, message) {
                continue;
            }
            if self.deadlines.told >= self.deadlines.tidy_told_at.max(TIDY_TOLD_AT) {
                self.forget_delivered();
            }
            self.deadlines.told += 1;
            self.events.push_back(Event::Overdue { stream, message });
        }
    }

    /// Of the overdue messages that nobody has asked about, those that arrived after all are no news.
    fn forget_delivered(&mut self) {
        let (streams, mut told) = (&self.ledger.streams, 0);
        self.events.retain(|event| match event {
            Event::Overdue { stream, message } => {
                let kept = !streams.is_delivered(*stream, *message);
                told += usize::from(kept);
                kept
            }
            _ => true,
        });
        self.deadlines.told = told;
        self.deadlines.tidy_told_at = told * 2;
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
