//! Which strategy, which attempt, and when.

use bytes::Bytes;

use super::dialing::{Dialing, Want};
use super::plan::{Circumstances, Decision};
use super::state::Reconnecting;
use crate::event::{EndReason, Event};
use crate::reconnect::{Attempt, Cause, IntentKind, Outcome, Reached, Strategy};
use crate::session::events::Events;
use crate::time::{Duration, Instant};

impl Reconnecting {
    /// The next attempt, after one ended or the connection was lost. `floor`: not sooner than this
    /// (the server's request, clamped to the backoff's cap, with jitter on top).
    pub(crate) fn schedule(
        &mut self,
        at: &mut Circumstances<'_>,
        kind: IntentKind,
        cause: Cause,
        floor: Option<Duration>,
    ) -> Decision {
        let Some(dialing) = &mut self.dialing else {
            return Decision::GoOn;
        };
        let now = at.now;
        let random = at.rng.next_u64();
        // Drawn only where it is needed, so that other schedules stay what they are.
        let spread = floor.map_or(0, |_| at.rng.next_u64());
        let strategy = dialing.choose(at.closing, kind, cause);
        dialing.cause = Some(cause);
        if cause == Cause::Timeout {
            dialing.slowness = dialing.slowness.saturating_add(1);
        }
        // Who was told when to come has reached the network all right.
        let is_told = floor.is_some_and(|after| !after.is_zero()) && cause == Cause::ServerAsked;
        let Some(due) = dialing.next_try(now, kind, cause, (random, is_told)) else {
            dialing.want = None;
            dialing.migrate = None;
            return match kind {
                IntentKind::Migrate => Decision::GoOn,
                IntentKind::Establish | IntentKind::Resume => Decision::End(EndReason::GaveUp { cause }),
            };
        };
        let later = |after| now + dialing.config.backoff.later(after, spread);
        let floor = floor.map_or(now, later);
        self.begin_attempt(at, Want::new(kind, strategy, due.max(floor), now));
        Decision::GoOn
    }

    /// A new attempt is wanted, in the place of any other.
    fn begin_attempt(&mut self, at: &mut Circumstances<'_>, want: Want) {
        let Some(dialing) = &mut self.dialing else { return };
        dialing.attempt += 1;
        dialing.want = Some(want);
        self.record_attempt(at.now, at.events);
    }

    /// The attempt that is planned is due now.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if let (Some(dialing), Some(history)) = (&mut self.dialing, &mut self.history) {
            dialing.hurry(now);
            history.hurry(now);
        }
    }

    /// Gives an attempt up that is under way and was not answered within two round trips: another begins now in its place,
    /// and counts as no try. `proving`: since when a connection waits for the next step of its proof.
    /// Whether that connection is given up.
    pub(crate) fn renew(&mut self, at: &mut Circumstances<'_>, proving: Option<Instant>) -> bool {
        let (Some(dialing), Some(history)) = (&self.dialing, &self.history) else {
            return false;
        };
        let Some(pending) = history.pending().copied() else {
            return false;
        };
        let since = match dialing.want {
            Some(want) => dialing.is_dialling(want, at.now).then_some(want.not_before),
            None => proving.filter(|_| !dialing.paused),
        };
        if since.is_none_or(|since| at.now.saturating_since(since) <= dialing.soon()) {
            return false;
        }
        let is_proving = dialing.is_idle();
        // What was prepared for it is prepared.
        let want = Want {
            preparation: None,
            ..Want::new(at.dial_kind(), pending.strategy, at.now, at.now)
        };
        self.begin_attempt(at, want);
        is_proving
    }

    /// Whether the attempt that is planned has not begun.
    pub(crate) fn is_waiting(&self, now: Instant) -> bool {
        let dialing = self.dialing.as_deref();
        let want = dialing.and_then(|dialing| dialing.want.map(|want| dialing.paused || now < want.not_before));
        want.unwrap_or(false)
    }

    /// More is known of what is broken: another attempt in the place of one that has not begun, at its time, so
    /// that it counts as no try.
    pub(crate) fn plan_anew(&mut self, at: &mut Circumstances<'_>, cause: Cause) {
        let Some(dialing) = &mut self.dialing else { return };
        let Some(planned) = dialing.want else { return };
        let strategy = dialing.choose(at.closing, planned.kind, cause);
        dialing.cause = Some(cause);
        let due = planned.not_before.max(at.now);
        self.begin_attempt(at, Want::new(planned.kind, strategy, due, at.now));
        self.ask_credential(cause, at.events);
    }

    /// The session closes: nothing is prepared for it any more, and no fresh one takes its place.
    pub(crate) fn plan_close(&mut self, at: &mut Circumstances<'_>) {
        let Some(dialing) = &mut self.dialing else { return };
        dialing.forced = None;
        let moot = |want: &Want| want.kind != IntentKind::Establish && (want.preparation.is_some() || want.gives_way());
        match dialing.want.filter(moot) {
            None => {}
            // What is to be delivered and learnt goes over the connection that is up.
            Some(_) if at.attached => {
                dialing.want = None;
                self.end_attempt(at.now, Outcome::Abandoned, at.events);
            }
            // Or over the one that has yet to prove itself.
            Some(_) if at.proving => dialing.want = None,
            Some(want) => {
                let due = want.not_before.max(at.now);
                self.begin_attempt(at, Want::new(IntentKind::Resume, Strategy::Resume, due, at.now));
            }
        }
    }

    /// Writes the attempt that is wanted into the history.
    pub(crate) fn record_attempt(&mut self, now: Instant, events: &mut Events) {
        let (Some(dialing), Some(history)) = (&self.dialing, &mut self.history) else {
            return;
        };
        let Some(want) = dialing.want else { return };
        let attempt = Attempt {
            number: dialing.attempt,
            kind: want.kind,
            strategy: want.strategy,
            cause: dialing.cause,
            started: want.not_before,
            duration: None,
            reached: Reached::Nothing,
            outcome: Outcome::Pending,
        };
        let abandoned = history.begin(now, attempt);
        for attempt in abandoned.into_iter().chain([attempt]) {
            events.push(Event::Reconnect(attempt));
        }
    }

    /// The attempt under way, if any, came to this.
    pub(crate) fn end_attempt(&mut self, now: Instant, outcome: Outcome, events: &mut Events) {
        let ended = self.history.as_mut().and_then(|history| history.finish(now, outcome));
        if let Some(attempt) = ended {
            events.push(Event::Reconnect(attempt));
        }
    }

    /// The connection that was dialled carries the session. An attempt that began meanwhile still waits for an answer
    /// of its own.
    pub(crate) fn attempt_succeeded(&mut self, now: Instant, events: &mut Events) {
        if self.dialing.as_ref().is_none_or(|dialing| dialing.is_idle()) {
            self.end_attempt(now, Outcome::Succeeded, events);
        }
    }

    /// Whether the session is to end for a fresh one now.
    pub(crate) fn give_way(&mut self, now: Instant, stable: bool) -> Decision {
        let Some(dialing) = &mut self.dialing else {
            return Decision::GoOn;
        };
        let due = dialing
            .want
            .is_some_and(|want| want.gives_way() && want.not_before <= now);
        if !due || dialing.paused {
            return Decision::GoOn;
        }
        let cause = dialing.cause.unwrap_or(Cause::Local);
        self.forgive_swaps(stable);
        Decision::GiveWay { cause }
    }

    /// The current connection gives way. Swaps that failed beside it were no tries to get one, if it was stable.
    pub(crate) fn forgive_swaps(&mut self, stable: bool) {
        if stable {
            self.on_stable();
        }
    }

    /// An attempt that begins now, in the place of whatever was wanted before.
    pub(crate) fn ask(&mut self, at: &mut Circumstances<'_>, kind: IntentKind, strategy: Strategy, cause: Cause) {
        let Some(dialing) = &mut self.dialing else { return };
        dialing.cause = Some(cause);
        dialing.migrate = None;
        let now = at.now;
        self.begin_attempt(at, Want::new(kind, strategy, now, now));
    }

    /// [`Strategy::Force`] begins, at its first step.
    pub(crate) fn force(&mut self, at: &mut Circumstances<'_>) {
        if let Some(dialing) = &mut self.dialing {
            dialing.forced = Some(0);
        }
        self.ask(at, IntentKind::Resume, Strategy::Resume, Cause::Local);
    }

    pub(crate) fn go_elsewhere(&mut self, alternate: Bytes) {
        if let Some(dialing) = &mut self.dialing {
            dialing.alternate = alternate;
        }
    }

    pub(crate) fn want_migration(&mut self, asked: Cause, alternate: Bytes) {
        if let Some(dialing) = &mut self.dialing {
            dialing.migrate = Some(asked);
            dialing.alternate = alternate;
        }
    }

    /// Another connection is wanted beside one whose peer does not answer soon; a swap that is wanted already, here or by the server, will do.
    pub(crate) fn want_another(&mut self) {
        if let Some(dialing) = &mut self.dialing {
            dialing.migrate.get_or_insert(Cause::Heartbeat);
        }
    }

    /// Whether a planned swap was asked for that may begin as far as reconnecting is concerned.
    pub(crate) fn is_migration_ready(&self) -> bool {
        let ready = |dialing: &Dialing| dialing.migrate.is_some() && dialing.is_idle() && !dialing.paused;
        self.dialing.as_deref().is_some_and(ready)
    }

    /// The connection that a planned swap was to leave is lost: what the host dials for it goes on, as the way back. Whether
    /// there is such a dial.
    pub(crate) fn resume_swap(&mut self, now: Instant, cause: Cause) -> bool {
        let dialing = self.dialing.as_mut();
        dialing.is_some_and(|dialing| dialing.resume_swap(now, cause))
    }

    /// Begins the planned swap that was asked for; the one before it is settled.
    pub(crate) fn begin_migration(&mut self, at: &mut Circumstances<'_>) -> Decision {
        match self.dialing.as_mut().and_then(|dialing| dialing.migrate.take()) {
            None => {}
            // A server that sends us away from each connection at once does not set the pace.
            Some(Cause::ServerAsked) if !at.stable => {
                return self.schedule(at, IntentKind::Migrate, Cause::ServerAsked, None);
            }
            Some(cause) => self.ask(at, IntentKind::Migrate, Strategy::Resume, cause),
        }
        Decision::GoOn
    }

    /// The host wants nothing dialled for now, or goes on.
    pub(crate) fn set_paused(&mut self, now: Instant, paused: bool, events: &mut Events) {
        let dialing = self.dialing.as_mut();
        if dialing.is_some_and(|dialing| dialing.set_paused(now, paused)) {
            events.push(if paused {
                Event::ReconnectPaused
            } else {
                Event::ReconnectResumed
            });
        }
    }
}

impl Dialing {
    /// What is done about `cause`; moves an escalation on.
    fn choose(&mut self, closing: bool, kind: IntentKind, cause: Cause) -> Strategy {
        if closing && kind != IntentKind::Establish {
            // All that is left is to learn what arrived, and nothing to escalate to.
            self.forced = None;
            return Strategy::Resume;
        }
        if kind == IntentKind::Migrate && self.want.is_none_or(|want| want.preparation.is_none()) {
            return Strategy::Resume;
        }
        if let Some(step) = &mut self.forced {
            *step += 1;
            return Strategy::ESCALATION.get(*step).copied().unwrap_or(Strategy::Fresh);
        }
        // What could not even be prepared still has to be.
        let unprepared = self.want.filter(|want| want.preparation.is_some());
        let strategy = unprepared.map_or_else(|| self.config.strategies.for_cause(cause), |want| want.strategy);
        if kind == IntentKind::Establish {
            // There is no session yet that anything else could bring back.
            return match strategy {
                Strategy::Restart => Strategy::Restart,
                _ => Strategy::Fresh,
            };
        }
        if strategy == Strategy::Force {
            self.forced = Some(0);
            return Strategy::Resume;
        }
        strategy
    }

    /// When the next try is due, by `random`; `None`: none is left. `is_told`: the server said when to come, so that the waits do not grow.
    fn next_try(
        &mut self,
        now: Instant,
        kind: IntentKind,
        cause: Cause,
        (random, is_told): (u64, bool),
    ) -> Option<Instant> {
        let hopeless = kind == IntentKind::Establish && self.config.strategies.is_final(cause);
        match self.forced {
            _ if hopeless => None,
            Some(0) => Some(now),
            Some(_) => Some(now + self.config.strategies.escalation_pause),
            None if is_told => self.retry.again(now, &self.config.backoff, random),
            None => self.retry.next(now, &self.config.backoff, random),
        }
    }
}
