//! When the client wants a connection, and which.

use bytes::Bytes;

use crate::config::ClientConfig;
use crate::reconnect::{Cause, IntentKind, Preparation, ReconnectIntent, Retry, Strategy};
use crate::time::{Duration, Instant, earliest};

/// Refusals of a RESUME, in the clear and so without proof, before the session is asked for inside
/// a full handshake.
const REFUSALS_BEFORE_HANDSHAKE: u32 = 2;
/// Handshakes in a row that did not open, while no session exists, before the host is asked for a fresh
/// credential.
const UNPROVEN_FAILURES: u32 = 3;
/// An attempt is given no less and no more than this for two round trips; the latter also where the round trip is not known.
const SOONEST: Duration = Duration::from_millis(50);
const SOON: Duration = Duration::from_secs(1);

pub(crate) struct Dialing {
    pub(crate) config: ClientConfig,
    pub(crate) retry: Retry,
    pub(crate) attempt: u64,
    pub(crate) want: Option<Want>,
    /// The host wants nothing dialled for now.
    pub(crate) paused: bool,
    pub(crate) cause: Option<Cause>,
    /// Doublings of the dial and handshake timeouts: each one that ran out earns one.
    pub(crate) slowness: u32,
    pub(crate) credential: FreshCredential,
    /// The attempt that was under way, with the old credential, when a fresh one came.
    pub(crate) outdated: u64,
    /// The round trip of the last handshake.
    pub(crate) rtt: Option<Duration>,
    pub(crate) alternate: Bytes,
    /// The attempt under way goes there.
    pub(crate) alternate_tried: bool,
    /// A planned swap was asked for, here or by the server, and has not begun.
    pub(crate) migrate: Option<Cause>,
    /// How far [`Strategy::Force`] has come, if it is under way.
    pub(crate) forced: Option<usize>,
    refusals: u32,
    unproven: u32,
    /// Which of the configured suites is tried.
    pub(crate) suite: usize,
}

/// What a fresh credential would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FreshCredential {
    /// Nothing, as far as is known.
    #[default]
    Unasked,
    /// The host was asked for one and has none. Only proof asks again, until a connection proved itself.
    Declined,
    /// Somebody who has proven nothing denied access, so that one may help. What is dialled does not wait for it.
    Welcome,
    /// Nothing is dialled before there is one.
    Required,
}

/// A dial that is wanted or under way at the host.
#[derive(Clone, Copy)]
pub(crate) struct Want {
    pub(crate) kind: IntentKind,
    pub(crate) strategy: Strategy,
    /// What the host has to do before it dials.
    pub(crate) preparation: Option<Preparation>,
    pub(crate) not_before: Instant,
    /// `poll_timeout` has told the host of `not_before`.
    pub(crate) announced: bool,
}

impl Want {
    pub(crate) fn new(kind: IntentKind, strategy: Strategy, not_before: Instant, now: Instant) -> Want {
        Want {
            kind,
            strategy,
            preparation: strategy.preparation(),
            not_before,
            // One that is due already has no deadline to be told of.
            announced: not_before <= now,
        }
    }

    /// The session is to end, so that a fresh one can begin; nothing is asked of the host.
    pub(crate) fn gives_way(&self) -> bool {
        self.strategy == Strategy::Fresh && self.kind != IntentKind::Establish
    }
}

impl Dialing {
    pub(crate) fn new(now: Instant, config: ClientConfig, kind: IntentKind) -> Dialing {
        let strategy = match kind {
            IntentKind::Establish => Strategy::Fresh,
            IntentKind::Resume | IntentKind::Migrate => Strategy::Resume,
        };
        let want = Want::new(kind, strategy, now, now);
        let handover = config.handover.as_deref();
        let mut retry = handover.map(|handover| handover.retry).unwrap_or_default();
        // The very first try is made at once: nothing has failed yet, so there are no other clients to move in step with. One that
        // follows another session has had its wait there.
        if handover.is_none() {
            retry.next(now, &config.backoff, 0);
        }
        let pending = handover.and_then(|handover| handover.history.pending().copied());
        let attempt = handover.map_or(1, |handover| {
            handover.history.stats.attempts + u64::from(pending.is_none())
        });
        Dialing {
            config,
            retry,
            attempt,
            want: Some(want),
            paused: false,
            cause: pending.and_then(|attempt| attempt.cause),
            slowness: 0,
            credential: FreshCredential::default(),
            outdated: 0,
            rtt: None,
            alternate: Bytes::new(),
            alternate_tried: false,
            migrate: None,
            forced: None,
            refusals: 0,
            unproven: 0,
            suite: 0,
        }
    }

    pub(crate) fn intent(&self) -> Option<ReconnectIntent> {
        let want = self.want.filter(|want| !want.gives_way() && !self.paused)?;
        Some(ReconnectIntent {
            attempt: self.attempt,
            not_before: want.not_before,
            deadline: self.deadline(want),
            kind: want.kind,
            strategy: want.strategy,
            preparation: want.preparation,
            preserved: Bytes::new(),
            cause: self.cause,
            refresh_credential: self.credential == FreshCredential::Required,
            alternate: self.alternate.clone(),
        })
    }

    /// The dial was answered with a connection: until when its handshake may take. `None`: no dial is wanted.
    pub(crate) fn take_dial(&mut self, now: Instant) -> Option<Instant> {
        let want = self
            .want
            .filter(|want| want.preparation.is_none())
            .filter(|want| !want.gives_way())
            .filter(|_| self.credential != FreshCredential::Required && !self.paused)?;
        self.want = None;
        self.alternate_tried = !self.alternate.is_empty();
        let handshake = now + self.stretched(self.config.session.handshake_timeout);
        Some(self.latest(want).map_or(handshake, |latest| handshake.min(latest)))
    }

    /// The preparation that attempt `attempt` asks for was done. False: it was not asked for.
    pub(crate) fn prepared(&mut self, now: Instant, attempt: u64, preparation: Preparation) -> bool {
        let asked = self.preparing(attempt, preparation);
        if let Some(want) = self.want.as_mut().filter(|_| asked) {
            want.preparation = None;
            // The time it took was no part of the dial.
            want.not_before = want.not_before.max(now);
            want.announced = true;
        }
        asked
    }

    pub(crate) fn preparing(&self, attempt: u64, preparation: Preparation) -> bool {
        let asked = self.want.and_then(|want| want.preparation);
        self.attempt == attempt && asked == Some(preparation)
    }

    /// The next deadline of a wanted dial; none while the host fetches a credential.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let want = self.want.filter(|_| !self.paused)?;
        let begin = (!want.announced).then_some(want.not_before);
        let end = self.runs(want).then(|| self.deadline(want));
        earliest(begin, end)
    }

    /// Whether the dial under way has run out of time.
    pub(crate) fn on_timeout(&mut self, now: Instant) -> bool {
        let Some(want) = self.want.as_mut().filter(|_| !self.paused) else {
            return false;
        };
        want.announced |= now >= want.not_before;
        let want = *want;
        self.runs(want) && now >= self.deadline(want)
    }

    /// Stops or goes on. Whether that is a change.
    pub(crate) fn set_paused(&mut self, now: Instant, paused: bool) -> bool {
        let changed = core::mem::replace(&mut self.paused, paused) != paused;
        if let Some(want) = self.want.as_mut().filter(|_| changed) {
            // What was under way begins anew; what waited waits on.
            want.not_before = want.not_before.max(now);
            want.announced = want.not_before <= now;
        }
        changed
    }

    /// The connection that a planned swap was to leave is lost: a dial for it goes on, unless the loss asks for more.
    pub(crate) fn resume_swap(&mut self, now: Instant, cause: Cause) -> bool {
        let is_simple = self.forced.is_none() && self.config.strategies.for_cause(cause) == Strategy::Resume;
        let Some(want) = self.want.filter(|want| is_simple && want.kind == IntentKind::Migrate) else {
            return false;
        };
        let goes_on = self.is_dialling(want, now);
        if goes_on {
            let kind = IntentKind::Resume;
            self.want = Some(Want { kind, ..want });
            self.cause = Some(cause);
        }
        goes_on
    }

    pub(crate) fn hurry(&mut self, now: Instant) {
        if let Some(want) = &mut self.want {
            want.not_before = want.not_before.min(now);
            want.announced = true;
        }
    }

    /// The session asks for itself inside a full handshake now, because RESUME keeps being refused.
    pub(crate) fn asks_in_handshake(&self) -> bool {
        self.refusals >= REFUSALS_BEFORE_HANDSHAKE
    }

    pub(crate) fn on_refused(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// A handshake did not open, and no session exists. Whether it is time to ask for a fresh credential.
    pub(crate) fn on_unproven(&mut self) -> bool {
        self.unproven += 1;
        self.unproven >= UNPROVEN_FAILURES
    }

    /// The host has answered with a fresh credential.
    pub(crate) fn on_fresh_credential(&mut self) {
        self.unproven = 0;
    }

    /// A connection proved itself.
    pub(crate) fn on_attached(&mut self) {
        self.unproven = 0;
        if self.credential != FreshCredential::Required {
            self.credential = FreshCredential::default();
        }
        self.outdated = 0;
        self.forced = None;
        self.refusals = 0;
        self.slowness = 0;
        self.migrate = None;
        self.alternate = Bytes::new();
        self.alternate_tried = false;
        self.cause = None;
    }

    /// An attempt failed. Where the peer sent us is tried once: if nobody is there, the usual place may know more.
    pub(crate) fn on_failed(&mut self) {
        let dialled = self
            .want
            .is_some_and(|want| want.announced && want.preparation.is_none());
        if core::mem::take(&mut self.alternate_tried) || dialled {
            self.alternate = Bytes::new();
        }
    }

    /// The connection stayed up long enough for the backoff to start afresh.
    pub(crate) fn on_stable(&mut self) {
        self.retry.reset();
    }

    pub(crate) fn stable_after(&self) -> Duration {
        self.config.backoff.stable_after
    }

    /// Whether the attempt under way shows a credential that was replaced meanwhile, so that its denial says nothing.
    pub(crate) fn is_outdated(&self) -> bool {
        self.attempt == self.outdated
    }

    /// Whether a dial of the host's is under way.
    pub(crate) fn is_dialling(&self, want: Want, now: Instant) -> bool {
        self.runs(want) && !self.paused && want.preparation.is_none() && want.not_before <= now
    }

    /// How soon an answer is to be expected: two round trips.
    pub(crate) fn soon(&self) -> Duration {
        let soon = self.rtt.map_or(SOON, |rtt| rtt * 2);
        soon.clamp(SOONEST, SOON)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.want.is_none()
    }

    /// Whether the attempt's time is running: not while the host fetches a credential.
    fn runs(&self, want: Want) -> bool {
        !want.gives_way() && (want.preparation.is_some() || self.credential != FreshCredential::Required)
    }

    fn deadline(&self, want: Want) -> Instant {
        let limit = match want.preparation {
            Some(_) => self.config.strategies.preparation_timeout,
            None => self.stretched(self.config.session.dial_timeout),
        };
        let deadline = want.not_before + limit;
        self.latest(want)
            .filter(|_| want.preparation.is_none())
            .map_or(deadline, |latest| deadline.min(latest))
    }

    /// When the whole attempt must be over, by the host's choice.
    fn latest(&self, want: Want) -> Option<Instant> {
        let timeout = self.config.backoff.attempt_timeout?;
        Some(want.not_before + timeout)
    }

    fn stretched(&self, wait: Duration) -> Duration {
        let factor = 1u32.checked_shl(self.slowness).unwrap_or(u32::MAX);
        wait.saturating_mul(factor)
            .min(self.config.session.keepalive_timeout.max(wait))
    }
}
