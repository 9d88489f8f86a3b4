//! Whether the peer is still there. Each connection has a value of its own, which is dropped with it.
//!
//! Any authentic packet shows that the peer is alive, and bytes of one that is under way lengthen the wait for it. Silence is
//! first probed and then judged; a wait that ended much later than it should have says something about this host's clock,
//! not about the peer.

mod patience;

use core::cmp::{max, min};

use crate::time::{Duration, Instant, extended};

pub(crate) use self::patience::Patience;

/// First probe with data outstanding comes no sooner than this (protocol.md section 7).
const FAST_PROBE: Duration = Duration::from_secs(1);
/// First verdict after a probe with data outstanding comes no sooner than this.
const FAST_VERDICT: Duration = Duration::from_secs(3);
/// The verdict on a probe that the host asked for comes no sooner than this, since on a short line the peer's host takes longer
/// to answer than the line, and no later than [`FAST_VERDICT`].
const ASKED_VERDICT: Duration = Duration::from_millis(250);
/// On a line that is known to be long, whoever receives a packet says so this often at least.
const SIGN: Duration = Duration::from_secs(2);
/// What [`Liveness::expect_crossing`] is given at most.
const MAX_CROSSING: Duration = Duration::from_secs(30);
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
    /// The peer did not answer as soon as it does otherwise, and the host wants another connection then.
    Doubtful,
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
    /// When the probe under way became due, or bytes last came while it was.
    probed_at: Instant,
    /// How long the probe waits that the host asked for. What arrives meanwhile may have been under way for long; only the
    /// answer to its own PING shows that the peer is there now.
    asked: Option<Duration>,
    /// When the host wants another connection, unless the probe that it asked for is answered before.
    doubtful_at: Option<Instant>,
    /// When the peer is to be shown that its packet, of which bytes came, is on its way.
    sign_at: Option<Instant>,
    excused: bool,
    /// So long may the first packet take to cross, since its peer says nothing before it is there whole. Zero once anything came.
    crossing: Duration,
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
            asked: None,
            doubtful_at: None,
            sign_at: None,
            excused: false,
            crossing: Duration::ZERO,
        }
    }

    /// The first packet may take so long to cross; the usual silence is borne in any case, and [`MAX_CROSSING`] at most.
    pub(crate) fn expect_crossing(&mut self, crossing: Duration) {
        self.crossing = crossing.min(MAX_CROSSING);
    }

    /// An authentic packet arrived; `waiting` says whether committed data is still unacknowledged.
    pub(crate) fn on_input(&mut self, now: Instant, waiting: bool) {
        self.last_input = now;
        self.waiting_since = waiting.then_some(now);
        self.excused = false;
        self.crossing = Duration::ZERO;
        self.sign_at = None;
        match self.asked {
            None => self.probe = Probe::None,
            Some(wait) => self.probe.judge_no_sooner(now + wait),
        }
    }

    /// Bytes of a packet arrived that is not whole yet. They lengthen the wait under way by as long as the slowest line that is
    /// borne takes for them, so that nobody holds a dead connection with a byte now and then.
    pub(crate) fn on_bytes(&mut self, now: Instant, bytes: usize, srtt: Option<Duration>) {
        let longest = now + self.asked.unwrap_or_else(|| self.verdict_wait(srtt));
        if let Some(judged_at) = self.probe.judged_at() {
            self.probe.judge_no_sooner(extended(judged_at, longest, bytes));
            self.probed_at = now;
        }
        if self.sign_at.is_none() {
            self.sign_at = Some(now + self.sign_wait(srtt));
        }
    }

    /// The host wants to know whether the peer is there: a verdict within four round trips.
    pub(crate) fn ask(&mut self, now: Instant, srtt: Option<Duration>) {
        let wait = srtt.map_or(FAST_VERDICT, |srtt| (srtt * 4).clamp(ASKED_VERDICT, FAST_VERDICT));
        let judged_at = now + wait;
        if self.probe == Probe::None {
            self.probed_at = now;
        }
        // The answer to one that is out already may have been under way for long.
        let judged_at = self.probe.judged_at().map_or(judged_at, |before| before.min(judged_at));
        self.probe = Probe::Wanted { judged_at };
        self.asked = Some(wait);
    }

    /// The same, and another connection is wanted if no answer came after three eighths of that wait: one and a half round trips.
    pub(crate) fn doubt(&mut self, now: Instant, srtt: Option<Duration>) {
        self.ask(now, srtt);
        self.doubtful_at = self.asked.map(|wait| now + wait * 3 / 8);
    }

    /// Whether a probe is under way that the host asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The newest PING was answered. Whether it was one that the host asked for.
    pub(crate) fn on_answered(&mut self) -> bool {
        // One that was out before the host asked is no answer to it.
        let answers = matches!(self.probe, Probe::Sent { .. }) && self.asked.is_some();
        if answers {
            self.probe = Probe::None;
            self.asked = None;
            self.doubtful_at = None;
        }
        answers
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
        let judged_at = match (self.asked, self.probe.judged_at()) {
            // The host's wait began when it asked.
            (Some(_), Some(judged_at)) => judged_at,
            _ => now + self.verdict_wait(srtt),
        };
        self.probe = Probe::Sent { judged_at };
    }

    pub(crate) fn deadline(&self, srtt: Option<Duration>) -> Instant {
        let due = self.probe.judged_at().unwrap_or_else(|| self.probe_at(srtt));
        [self.sign_at, self.doubtful_at]
            .into_iter()
            .fold(due, |due, at| at.map_or(due, |at| due.min(at)))
    }

    /// When the probe is judged that the host asked for.
    pub(crate) fn asked_deadline(&self) -> Option<Instant> {
        self.probe.judged_at().filter(|_| self.is_asked())
    }

    /// To be called at the deadline or after it.
    pub(crate) fn on_timeout(&mut self, now: Instant, srtt: Option<Duration>) -> Verdict {
        if self.sign_at.take_if(|at| now >= *at).is_some() {
            self.want_probe(now, srtt);
        }
        let due = self.probe.judged_at().unwrap_or_else(|| self.probe_at(srtt));
        if now >= due {
            match self.probe {
                Probe::None => self.want_probe(now, srtt),
                _ if now.saturating_since(due) > STALL && !self.excused => {
                    self.excused = true;
                    self.probed_at = now;
                    self.probe = Probe::Wanted {
                        judged_at: now + self.asked.unwrap_or_else(|| self.fast_verdict(srtt)),
                    };
                }
                Probe::Wanted { .. } | Probe::Sent { .. } => return Verdict::Dead,
            }
        }
        match self.doubtful_at.take_if(|at| now >= *at) {
            Some(_) => Verdict::Doubtful,
            None => Verdict::Alive,
        }
    }

    /// When silence becomes suspicious, if a probe is under way.
    pub(crate) fn suspect_at(&self, srtt: Option<Duration>) -> Option<Instant> {
        let probing = self.probe != Probe::None;
        probing.then(|| self.probed_at + max(FAST_PROBE, four(srtt)))
    }

    /// A PING is to go out; one that is out already waits no longer for another.
    fn want_probe(&mut self, now: Instant, srtt: Option<Duration>) {
        let under_way = self.probe.judged_at();
        if under_way.is_none() {
            self.probed_at = now;
        }
        self.probe = Probe::Wanted {
            judged_at: under_way.unwrap_or_else(|| now + self.verdict_wait(srtt)),
        };
    }

    fn probe_at(&self, srtt: Option<Duration>) -> Instant {
        let idle = self.last_input + self.interval;
        match self.waiting_since {
            Some(since) => min(idle, since + self.stretched(max(FAST_PROBE, four(srtt)), srtt)),
            None => idle,
        }
    }

    /// How often a peer is told that its packet is on its way, before it would take us for gone.
    fn sign_wait(&self, srtt: Option<Duration>) -> Duration {
        let soonest = FAST_PROBE.min(self.interval / 2);
        let latest = SIGN.min(self.interval);
        srtt.map_or(soonest, |srtt| (srtt / 2).clamp(soonest, latest))
    }

    fn verdict_wait(&self, srtt: Option<Duration>) -> Duration {
        if self.waiting_since.is_some() {
            self.fast_verdict(srtt)
        } else {
            self.timeout.max(four(srtt))
        }
    }

    fn fast_verdict(&self, srtt: Option<Duration>) -> Duration {
        self.stretched(max(FAST_VERDICT, four(srtt)), srtt).max(self.crossing)
    }

    /// Longer for each attach in vain, up to the timeout; four round trips are given in any case.
    fn stretched(&self, wait: Duration, srtt: Option<Duration>) -> Duration {
        let factor = 1u32.checked_shl(self.patience.doublings.into()).unwrap_or(u32::MAX);
        min(wait.saturating_mul(factor), self.timeout.max(four(srtt)))
    }
}

impl Probe {
    fn judged_at(&self) -> Option<Instant> {
        match self {
            Probe::None => None,
            Probe::Wanted { judged_at } | Probe::Sent { judged_at } => Some(*judged_at),
        }
    }

    /// The verdict waits until `instant`, if it would come before.
    fn judge_no_sooner(&mut self, instant: Instant) {
        if let Probe::Wanted { judged_at } | Probe::Sent { judged_at } = self {
            *judged_at = instant.max(*judged_at);
        }
    }
}

fn four(srtt: Option<Duration>) -> Duration {
    srtt.unwrap_or_default().saturating_mul(4)
}

#[cfg(test)]
mod tests;
