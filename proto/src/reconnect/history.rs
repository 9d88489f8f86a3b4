//! What was tried and what came of it.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::backoff::Retry;
use super::{Cause, IntentKind, Strategy};
use crate::redacted::Redacted;
use crate::time::{Duration, Instant};

/// One attempt to have a connection, or a session, again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, as in the intent: 1 is the session's first dial.
    pub number: u64,
    /// What the connection was for. That of a planned swap may have become the way back, when the old connection was lost meanwhile.
    pub kind: IntentKind,
    /// What was done.
    pub strategy: Strategy,
    /// What made it necessary; `None` for the first dial, and for a swap this host asked for.
    pub cause: Option<Cause>,
    /// When it was due to begin.
    pub started: Instant,
    /// How long it took; `None` while it is under way.
    pub duration: Option<Duration>,
    /// How far it came.
    pub reached: Reached,
    /// What came of it.
    pub outcome: Outcome,
}

impl Attempt {
    /// Whether it failed although a connection came up, because nobody answered the handshake there. A peer does not tell
    /// an unauthenticated client what is wrong: a secret, key or hint that the server does not know looks like this, and so does
    /// a server of something else, or a network that swallows what it carries. A server that said "later", that is being
    /// drained, or that refused, has answered.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_)) && self.reached == Reached::Connection
    }
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reached {
    /// There is no connection, or not yet.
    Nothing,
    /// A connection came up; the handshake, or resume, over it was not answered.
    Connection,
    /// The peer answered: it has the session, or refused it.
    Answer,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It waits for its time, or is under way.
    Pending,
    /// The session is attached, or a fresh one established.
    Succeeded,
    /// It failed of this.
    Failed(Cause),
    /// Something else took its place, or the session ended.
    Abandoned,
}

/// Numbers about reconnecting, since the session began (or, with a
/// [`Handover`], the first of its line).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectStats {
    /// Attempts begun, the first dial included.
    pub attempts: u64,
    /// Of these, how many succeeded.
    pub successes: u64,
    /// Of these, how many failed.
    pub failures: u64,
    /// Answers that a peer's process runs again.
    pub restarts: u64,
    /// Times the session had no connection and then had one again.
    pub resumes: u64,
    /// How long it had none, the last time.
    pub last_time_to_resume: Option<Duration>,
    /// How long it had none, all times together.
    pub total_time_to_resume: Duration,
    /// When the next attempt is due, if one waits.
    pub next_retry: Option<Instant>,
    disconnections: [u32; Cause::ALL.len()],
}

impl ReconnectStats {
    /// How often the session lost its connection to `cause`.
    #[must_use]
    pub fn disconnections(&self, cause: Cause) -> u32 {
        self.disconnections.get(cause.index()).copied().unwrap_or(0)
    }

    /// How often the session lost its connection.
    #[must_use]
    pub fn all_disconnections(&self) -> u64 {
        self.disconnections.iter().copied().map(u64::from).sum()
    }

    /// The mean time without a connection.
    #[must_use]
    pub fn mean_time_to_resume(&self) -> Option<Duration> {
        let count = u32::try_from(self.resumes).ok().filter(|count| *count > 0)?;
        Some(self.total_time_to_resume / count)
    }

    /// Successes of all attempts that came to an end of their own, from 0 to 1.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.successes + self.failures;
        (ended > 0).then(|| self.successes as f64 / ended as f64)
    }
}

/// The attempts, newest last, and the numbers. Bounded by the number of attempts kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    attempts: VecDeque<Attempt>,
    limit: usize,
    /// The attempt under way, apart from the list so that no bound can take it away.
    pending: Option<Attempt>,
    pub(crate) stats: ReconnectStats,
    /// Since when there is no connection.
    lost_at: Option<Instant>,
}

impl History {
    pub(crate) fn new(limit: usize) -> History {
        History {
            attempts: VecDeque::new(),
            limit,
            pending: None,
            stats: ReconnectStats::default(),
            lost_at: None,
        }
    }

    /// Continues after `handover`.
    pub(crate) fn after(handover: &Handover, limit: usize) -> History {
        let mut history = History {
            limit,
            ..handover.history.clone()
        };
        history.trim();
        history
    }

    /// An attempt begins; one that was under way is abandoned, and returned.
    pub(crate) fn begin(&mut self, now: Instant, attempt: Attempt) -> Option<Attempt> {
        let abandoned = self.finish(now, Outcome::Abandoned);
        self.stats.attempts += 1;
        self.pending = Some(attempt);
        abandoned
    }

    /// The attempt under way is due at another time.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if let Some(attempt) = &mut self.pending {
            attempt.started = attempt.started.min(now);
        }
    }

    /// The attempt under way came so far.
    pub(crate) fn reach(&mut self, reached: Reached) {
        if let Some(attempt) = &mut self.pending {
            attempt.reached = attempt.reached.max(reached);
        }
    }

    /// The attempt under way, if any, came to this.
    pub(crate) fn finish(&mut self, now: Instant, outcome: Outcome) -> Option<Attempt> {
        let mut attempt = self.pending.take()?;
        attempt.duration = Some(now.saturating_since(attempt.started));
        attempt.outcome = outcome;
        match outcome {
            Outcome::Succeeded => self.stats.successes += 1,
            Outcome::Failed(_) => self.stats.failures += 1,
            Outcome::Pending | Outcome::Abandoned => {}
        }
        self.attempts.push_back(attempt);
        self.trim();
        Some(attempt)
    }

    pub(crate) fn pending(&self) -> Option<&Attempt> {
        self.pending.as_ref()
    }

    /// The attempts kept, oldest first, the one under way last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().chain(&self.pending)
    }

    pub(crate) fn on_lost(&mut self, now: Instant, cause: Cause) {
        self.lost_at.get_or_insert(now);
        if let Some(count) = self.stats.disconnections.get_mut(cause.index()) {
            *count = count.saturating_add(1);
        }
    }

    pub(crate) fn on_attached(&mut self, now: Instant) {
        let Some(lost_at) = self.lost_at.take() else { return };
        let time = now.saturating_since(lost_at);
        self.stats.resumes += 1;
        self.stats.last_time_to_resume = Some(time);
        self.stats.total_time_to_resume = self.stats.total_time_to_resume.saturating_add(time);
    }

    fn trim(&mut self) {
        while self.attempts.len() > self.limit {
            self.attempts.pop_front();
        }
    }
}

/// What a session leaves to the fresh one that takes its place: history and numbers, how far the backoff
/// has come, and the host's preserved state. Nothing secret. See [`Reconnecting::handover`](crate::session::Reconnecting::handover).
#[derive(Clone)]
pub struct Handover {
    pub(crate) history: History,
    pub(crate) retry: Retry,
    /// What the host had attached to the session.
    pub preserved: Bytes,
}

/// Names the length of the host's own bytes, and shows none.
impl core::fmt::Debug for Handover {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Handover")
            .field("history", &self.history)
            .field("retry", &self.retry)
            .field("preserved", &Redacted(&self.preserved))
            .finish()
    }
}

#[cfg(test)]
mod tests;
