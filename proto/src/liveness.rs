//! Whether the peer is still there. Each connection has a value of its own, which is dropped with it.
//!
//! Any authentic packet shows that the peer is alive. Silence is first probed and then judged; a wait that ended much
//! later than it should have says something about this host's clock, not about the peer.

use core::cmp::{max, min};

use crate::time::{Duration, Instant};

/// First probe with data outstanding comes no sooner than this (protocol.md section 7).
const FAST_PROBE: Duration = Duration::from_secs(1);
/// First verdict after a probe with data outstanding comes no sooner than this.
const FAST_VERDICT: Duration = Duration::from_secs(3);
/// A timer that fires later than this after its deadline means that the host itself stood still.
pub(crate) const STALL: Duration = Duration::from_secs(1);

/// How a session fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// A connection carries it and the peer answers.
    Healthy,
    /// The same, and nothing but heartbeats has been said for
    /// [`SessionConfig::idle_after`](crate::SessionConfig::idle_after).
    Idle,
    /// The peer has not answered a probe for longer than it should take.
    Suspect,
    /// No connection carries it.
    Detached,
}

/// What the liveness timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is due, or a probe became due (see [`Liveness::wants_ping`]).
    Alive,
    /// The peer is gone.
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// No probe under way.
    None,
    /// A PING is wanted and not yet packed; judged at the instant all the same, because a carrier
    /// that takes not one packet for so long is as dead as a silent one.
    Wanted { judged_at: Instant },
    /// A PING was committed.
    Sent { judged_at: Instant },
}

/// How much longer than usual silence is borne, because a slow link is not a dead one. One for all
/// connections of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    doublings: u16,
    /// The last connection was given up by our own verdict, which may have come too early.
    in_doubt: bool,
    /// Attaches in a row that had something to send again and brought no acknowledgement.
    replays: u32,
}

impl Patience {
    /// A connection is over; `progress`: the peer acknowledged something on it.
    pub(crate) fn on_lost(&mut self, progress: bool, by_silence: bool) {
        self.doublings = if progress { 0 } else { self.doublings.saturating_add(1) };
        self.in_doubt = by_silence && !progress;
    }

    /// The peer acknowledged something new.
    pub(crate) fn on_progress(&mut self) {
        *self = Patience::default();
    }

    /// A new connection began; `progress`: the position that the peer stated for it shows that something
    /// had arrived on the one before. If that one was given up for its silence, the silence was mere slowness.
    pub(crate) fn on_attached(&mut self, progress: bool) {
        if progress && !self.in_doubt {
            self.doublings = 0;
        }
        self.in_doubt = false;
    }

    /// The same connection sends something again (`again`) that the one before did not deliver.
    pub(crate) fn on_replay(&mut self, progress: bool, again: bool) {
        self.replays = if progress { 0 } else { self.replays + u32::from(again) };
    }

    /// Attaches in a row that sent the same again and brought no acknowledgement.
    pub(crate) fn replays(&self) -> u32 {
        self.replays
    }
}

/// Probes and verdicts for one connection.
#[derive(Debug)]
pub(crate) struct Liveness {
    interval: Duration,
    timeout: Duration,
    patience: Patience,
    last_input: Instant,
    /// When the oldest unacknowledged data was committed here, or the last input if later.
    waiting_since: Option<Instant>,
    probe: Probe,
    /// When the probe under way became due.
    probed_at: Instant,
    excused: bool,
}

impl Liveness {
    pub(crate) fn new(now: Instant, interval: Duration, timeout: Duration, patience: Patience) -> Liveness {
        Liveness {
            interval,
            timeout,
            patience,
            last_input: now,
            waiting_since: None,
            probe: Probe::None,
            probed_at: now,
            excused: false,
        }
    }

    /// An authentic packet arrived; `waiting` says whether committed data is still unacknowledged.
    pub(crate) fn on_input(&mut self, now: Instant, waiting: bool) {
        self.last_input = now;
        self.waiting_since = waiting.then_some(now);
        self.probe = Probe::None;
        self.excused = false;
    }

    /// Sequenced frames were packed.
    pub(crate) fn on_data_committed(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// Whether a PING is to go out with the next packet.
    pub(crate) fn wants_ping(&self) -> bool {
        matches!(self.probe, Probe::Wanted { .. })
    }

    /// The PING was packed: the wait for an answer starts now.
    pub(crate) fn on_ping_committed(&mut self, now: Instant, srtt: Option<Duration>) {
        let judged_at = now + self.verdict_wait(srtt);
        self.probe = Probe::Sent { judged_at };
    }

    pub(crate) fn deadline(&self, srtt: Option<Duration>) -> Instant {
        match self.probe {
            Probe::None => self.probe_at(srtt),
            Probe::Wanted { judged_at } | Probe::Sent { judged_at } => judged_at,
        }
    }

    /// To be called at the deadline or after it.
    pub(crate) fn on_timeout(&mut self, now: Instant, srtt: Option<Duration>) -> Verdict {
        let due = self.deadline(srtt);
        if now < due {
            return Verdict::Alive;
        }
        let late = now.saturating_since(due) > STALL;
        match self.probe {
            Probe::None => {
                self.probed_at = now;
                self.probe = Probe::Wanted {
                    judged_at: now + self.verdict_wait(srtt),
                };
                Verdict::Alive
            }
            Probe::Wanted { .. } | Probe::Sent { .. } if late && !self.excused => {
                self.excused = true;
                self.probed_at = now;
                self.probe = Probe::Wanted {
                    judged_at: now + self.fast_verdict(srtt),
                };
                Verdict::Alive
            }
            Probe::Wanted { .. } | Probe::Sent { .. } => Verdict::Dead,
        }
    }

    /// When silence becomes suspicious, if a probe is under way.
    pub(crate) fn suspect_at(&self, srtt: Option<Duration>) -> Option<Instant> {
        let probing = self.probe != Probe::None;
        probing.then(|| self.probed_at + max(FAST_PROBE, four(srtt)))
    }

    fn probe_at(&self, srtt: Option<Duration>) -> Instant {
        let idle = self.last_input + self.interval;
        match self.waiting_since {
            Some(since) => min(idle, since + self.stretched(max(FAST_PROBE, four(srtt)))),
            None => idle,
        }
    }

    fn verdict_wait(&self, srtt: Option<Duration>) -> Duration {
        if self.waiting_since.is_some() {
            self.fast_verdict(srtt)
        } else {
            self.timeout
        }
    }

    fn fast_verdict(&self, srtt: Option<Duration>) -> Duration {
        self.stretched(max(FAST_VERDICT, four(srtt)))
    }

    fn stretched(&self, wait: Duration) -> Duration {
        let factor = 1u32.checked_shl(self.patience.doublings.into()).unwrap_or(u32::MAX);
        min(wait.saturating_mul(factor), self.timeout)
    }
}

fn four(srtt: Option<Duration>) -> Duration {
    srtt.unwrap_or_default().saturating_mul(4)
}

#[cfg(test)]
mod tests;
