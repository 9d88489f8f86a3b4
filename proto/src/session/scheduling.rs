//! How the client goes about having a connection: which strategy, which attempt, and when.

use bytes::Bytes;

use super::Session;
use super::dialing::{Dialing, Want};
use super::ending::Finish;
use super::state::State;
use crate::event::{EndReason, Event};
use crate::reconnect::{Attempt, Cause, IntentKind, Outcome, Strategy};
use crate::time::{Duration, Instant};
use crate::wire::frame::EndCode;

impl Session {
    /// The next attempt, after one ended or the connection was lost. `floor`: not sooner than this
    /// (the server's word, clamped to the backoff's cap, with jitter on top).
    pub(super) fn schedule_dial(&mut self, now: Instant, kind: IntentKind, cause: Cause, floor: Option<Duration>) {
        if self.state.is_ended() {
            return;
        }
        let random = self.rng.next_u64();
        // Drawn only where it is needed, so that other schedules stay what they are.
        let spread = floor.map_or(0, |_| self.rng.next_u64());
        let Some(strategy) = self.choose(kind, cause) else {
            return;
        };
        let Some(dialing) = &mut self.dialing else { return };
        dialing.cause = Some(cause);
        if cause == Cause::Timeout {
            dialing.slowness = dialing.slowness.saturating_add(1);
        }
        let backoff = dialing.config.backoff.clone();
        let hopeless = kind == IntentKind::Establish && cause.is_final();
        let at = match dialing.forced {
            _ if hopeless => None,
            Some(0) => Some(now),
            Some(_) => Some(now + dialing.config.strategies.escalation_pause),
            None => dialing.retry.next(now, &backoff, random),
        };
        let Some(at) = at else {
            dialing.want = None;
            dialing.migrate = None;
            if kind != IntentKind::Migrate {
                self.end(now, EndReason::GaveUp { cause }, None);
            }
            return;
        };
        let floor = floor.map_or(now, |after| now + backoff.later(after, spread));
        self.begin_attempt(now, Want::new(kind, strategy, at.max(floor), now));
    }

    /// A new attempt is wanted, in the place of any other.
    fn begin_attempt(&mut self, now: Instant, want: Want) {
        let Some(dialing) = &mut self.dialing else { return };
        dialing.attempt += 1;
        dialing.want = Some(want);
        self.record_attempt(now);
    }

    /// The attempt that is planned is due now.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let (Some(dialing), Some(history)) = (&mut self.dialing, &mut self.history) {
            dialing.hurry(now);
            history.hurry(now);
        }
    }

    /// Whether the attempt that is planned has not begun.
    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        let dialing = self.dialing.as_deref();
        let want = dialing.and_then(|dialing| dialing.want.map(|want| dialing.paused || now < want.not_before));
        want.unwrap_or(false)
    }

    /// More is known of what is broken: another attempt in the place of one that has not begun, at its time, so
    /// that it counts as no try.
    pub(super) fn plan_anew(&mut self, now: Instant, cause: Cause) {
        let Some(planned) = self.dialing.as_ref().and_then(|dialing| dialing.want) else {
            return;
        };
        let Some(strategy) = self.choose(planned.kind, cause) else {
            return;
        };
        if let Some(dialing) = &mut self.dialing {
            dialing.cause = Some(cause);
        }
        self.begin_attempt(now, Want::new(planned.kind, strategy, planned.not_before.max(now), now));
        if cause == Cause::Authentication {
            self.need_credential();
        }
    }

    /// The session closes: nothing is prepared for it any more, and no fresh one takes its place.
    pub(super) fn plan_close(&mut self, now: Instant) {
        let attached = self.links.current.is_some();
        let Some(dialing) = &mut self.dialing else { return };
        dialing.forced = None;
        let moot = |want: &Want| want.kind != IntentKind::Establish && (want.preparation.is_some() || want.gives_way());
        match dialing.want.filter(moot) {
            None => {}
            // What is to be delivered and learnt goes over the connection that is up.
            Some(_) if attached => {
                dialing.want = None;
                self.end_attempt(now, Outcome::Abandoned);
            }
            // Or over the one that has yet to prove itself.
            Some(_) if self.links.candidate.is_some() => dialing.want = None,
            Some(want) => {
                let at = want.not_before.max(now);
                self.begin_attempt(now, Want::new(IntentKind::Resume, Strategy::Resume, at, now));
            }
        }
    }

    /// Writes the attempt that is wanted into the history.
    pub(super) fn record_attempt(&mut self, now: Instant) {
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
            outcome: Outcome::Pending,
        };
        let abandoned = history.begin(now, attempt);
        for attempt in abandoned.into_iter().chain([attempt]) {
            self.push_event(Event::Reconnect(attempt));
        }
    }

    /// The attempt under way, if any, came to this.
    pub(super) fn end_attempt(&mut self, now: Instant, outcome: Outcome) {
        let ended = self.history.as_mut().and_then(|history| history.finish(now, outcome));
        if let Some(attempt) = ended {
            self.push_event(Event::Reconnect(attempt));
        }
    }

    /// What is done about `cause`; moves an escalation on. `None`: the session never dials.
    fn choose(&mut self, kind: IntentKind, cause: Cause) -> Option<Strategy> {
        let closing = matches!(self.state, State::ClosingAttached | State::ClosingDetached);
        let dialing = self.dialing.as_mut()?;
        if closing && kind != IntentKind::Establish {
            // All that is left is to learn what arrived, and nothing to escalate to.
            dialing.forced = None;
            return Some(Strategy::Resume);
        }
        if kind == IntentKind::Migrate && dialing.want.is_none_or(|want| want.preparation.is_none()) {
            return Some(Strategy::Resume);
        }
        if let Some(step) = &mut dialing.forced {
            *step += 1;
            return Some(Strategy::ESCALATION.get(*step).copied().unwrap_or(Strategy::Fresh));
        }
        // What could not even be prepared still has to be.
        let unprepared = dialing.want.filter(|want| want.preparation.is_some());
        let strategy = unprepared.map_or_else(|| dialing.config.strategies.for_cause(cause), |want| want.strategy);
        if kind == IntentKind::Establish {
            // There is no session yet that anything else could bring back.
            return Some(match strategy {
                Strategy::Restart => Strategy::Restart,
                _ => Strategy::Fresh,
            });
        }
        if strategy == Strategy::Force {
            dialing.forced = Some(0);
            return Some(Strategy::Resume);
        }
        Some(strategy)
    }

    /// Ends the session for a fresh one, once that is due.
    pub(super) fn give_way(&mut self, now: Instant) {
        let Some(dialing) = &self.dialing else { return };
        let due = dialing
            .want
            .is_some_and(|want| want.gives_way() && want.not_before <= now);
        if due && !dialing.paused {
            let cause = dialing.cause.unwrap_or(Cause::Local);
            self.forgive_swaps();
            self.conclude(
                now,
                Finish {
                    reason: EndReason::Fresh { cause },
                    say: Some(EndCode::Aborted),
                    peer_position: None,
                },
            );
        }
    }

    /// The current connection gives way. Swaps that failed beside it were no tries to get one, if it was stable.
    pub(super) fn forgive_swaps(&mut self) {
        let stable = self.links.current().is_some_and(|live| live.stable_at.is_none());
        if let Some(dialing) = self.dialing.as_mut().filter(|_| stable) {
            dialing.on_stable();
        }
    }

    /// What a dial is for now.
    pub(super) fn dial_kind(&self) -> IntentKind {
        if self.ticket.is_none() {
            IntentKind::Establish
        } else if self.links.current.is_some() {
            IntentKind::Migrate
        } else {
            IntentKind::Resume
        }
    }

    /// An attempt that begins now, in the place of whatever was wanted before.
    pub(super) fn ask(&mut self, now: Instant, kind: IntentKind, strategy: Strategy, cause: Cause) {
        let Some(dialing) = &mut self.dialing else { return };
        dialing.cause = Some(cause);
        dialing.migrate = None;
        self.begin_attempt(now, Want::new(kind, strategy, now, now));
    }

    pub(super) fn go_elsewhere(&mut self, alternate: Bytes) {
        if let Some(dialing) = &mut self.dialing {
            dialing.alternate = alternate;
        }
    }

    pub(super) fn want_migration(&mut self, asked: Cause, alternate: Bytes) {
        if let Some(dialing) = &mut self.dialing {
            dialing.migrate = Some(asked);
            dialing.alternate = alternate;
        }
    }

    /// Begins a planned swap that was asked for, once the one before it is settled.
    pub(super) fn pursue_migration(&mut self, now: Instant) {
        let may_swap = self.links.candidate.is_none() && self.may_swap();
        let stable = self.links.current().is_some_and(|live| live.stable_at.is_none());
        let ready = |dialing: &Dialing| may_swap && dialing.is_idle() && !dialing.paused;
        let Some(dialing) = self.dialing.as_deref_mut().filter(|dialing| ready(dialing)) else {
            return;
        };
        match dialing.migrate.take() {
            None => {}
            // A server that sends us away from each connection at once does not set the pace.
            Some(Cause::ServerAsked) if !stable => {
                self.schedule_dial(now, IntentKind::Migrate, Cause::ServerAsked, None);
            }
            Some(cause) => self.ask(now, IntentKind::Migrate, Strategy::Resume, cause),
        }
    }
}
