//! Leaving: every client is asked to go, each at a moment of its own, and nobody new comes in.

use bytes::Bytes;

use crate::id::SessionId;
use crate::rng::Rng;
use crate::server::timers::Timers;
use crate::setters::setters;
use crate::time::{Duration, Instant};

/// How a registry is to be drained.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// The clients are asked to leave at moments drawn at random from this long, so that they do not
    /// arrive elsewhere all at once.
    pub spread: Duration,
    /// How long, from the beginning, they have in all.
    pub within: Duration,
    /// Where to go instead, in the hosts' own format; empty: the same place. Left out if longer than
    /// 1,024 bytes.
    pub alternate: Bytes,
}

impl Drain {
    /// The clients have `within` in all, and are asked to leave at moments spread over the first half of it.
    #[must_use]
    pub fn within(within: Duration) -> Drain {
        Drain {
            spread: within / 2,
            within,
            alternate: Bytes::new(),
        }
    }
}

setters! {
    Drain {
        with_spread spread: Duration,
        with_alternate alternate: Bytes,
    }
}

/// How a drain gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainStatus {
    /// When the clients' time is over.
    pub until: Instant,
    /// Sessions whose clients have not been asked yet.
    pub unasked: usize,
    /// Sessions that a connection still carries, or that are not confirmed yet.
    pub connected: usize,
    /// Sessions that wait for a client that has not come back.
    pub detached: usize,
    /// What the detached ones hold.
    pub detached_bytes: u64,
}

impl DrainStatus {
    /// Whether there is nothing left to wait for: no session, or no time.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until || (self.connected == 0 && self.detached == 0)
    }
}

/// A drain in progress.
pub(crate) struct Draining {
    pub(crate) plan: Drain,
    pub(crate) until: Instant,
    /// When all are to have been asked.
    asked_by: Instant,
    /// When each client is to be asked.
    unasked: Timers<SessionId>,
}

impl Draining {
    pub(crate) fn new(now: Instant, plan: Drain) -> Draining {
        Draining {
            until: now + plan.within,
            asked_by: now + plan.spread,
            plan,
            unasked: Timers::new(),
        }
    }

    /// The session's client is to be asked within what is left of the spread; at once if nothing is.
    pub(crate) fn ask(&mut self, now: Instant, id: SessionId, rng: &mut Rng) {
        let wait = draw(self.asked_by.saturating_since(now), rng);
        self.unasked.set(id, Some(now + wait));
    }

    /// The next session whose client is to be asked now.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<SessionId> {
        self.unasked.pop_due(now)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unasked.next()
    }

    pub(crate) fn unasked(&self) -> usize {
        self.unasked.len()
    }

    /// How long a client that wants a new session is told to wait: until the drain is over, and a random part of its spread
    /// more, so that they do not all come at once.
    pub(crate) fn stay_away(&self, now: Instant, rng: &mut Rng) -> Duration {
        self.until
            .saturating_since(now)
            .saturating_add(draw(self.plan.spread, rng))
    }
}

/// A time between zero and `spread`.
fn draw(spread: Duration, rng: &mut Rng) -> Duration {
    let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
    // The bias of a remainder is nothing to a spread.
    Duration::from_nanos(rng.next_u64() % nanos.saturating_add(1).max(1))
}
