//! How the client goes about having a connection: which strategy, which attempt, and when.

use bytes::Bytes;

use super::Session;
use super::dialing::Want;
use super::ending::Finish;
use super::links::Slot;
use super::state::State;
use crate::config::MAX_CREDENTIAL;
use crate::event::{EndReason, Event};
use crate::id::{Epoch, Side};
use crate::reconnect::{Cause, Continuity, IntentKind, Preparation, Strategy};
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
        let at = match dialing.forced {
            Some(0) => Some(now),
            Some(_) => Some(now + dialing.config.strategies.escalation_pause),
            None => dialing.retry.next(now, &backoff, random),
        };
        let Some(at) = at else {
            dialing.want = None;
            dialing.migrate = false;
            if kind != IntentKind::Migrate {
                self.end(now, EndReason::GaveUp { cause }, None);
            }
            return;
        };
        let floor = floor.map_or(now, |after| now + backoff.later(after, spread));
        dialing.attempt += 1;
        dialing.want = Some(Want::new(kind, strategy, at.max(floor), now));
        if strategy == Strategy::Fresh && dialing.forced.is_none() {
            self.give_way(now);
        }
    }

    /// What is done about `cause`; moves an escalation on. `None`: the session never dials.
    fn choose(&mut self, kind: IntentKind, cause: Cause) -> Option<Strategy> {
        let closing = matches!(self.state, State::ClosingAttached | State::ClosingDetached);
        let dialing = self.dialing.as_mut()?;
        if closing {
            // All that is left is to learn what arrived.
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
        if dialing
            .want
            .is_some_and(|want| want.gives_way() && want.not_before <= now)
        {
            let cause = dialing.cause.unwrap_or(Cause::Local);
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

    pub(super) fn on_dial_failed(&mut self, now: Instant, attempt: u64, cause: Cause) {
        let over = self
            .dialing
            .as_ref()
            .is_none_or(|d| d.want.is_none() || d.attempt != attempt);
        if !over {
            self.host_failed(now, cause);
        }
    }

    /// The host did not answer in time.
    pub(super) fn dial_timed_out(&mut self, now: Instant) {
        self.host_failed(now, Cause::Timeout);
    }

    /// An attempt failed by the host's own word, which needs no proof.
    fn host_failed(&mut self, now: Instant, cause: Cause) {
        if let Some(dialing) = &mut self.dialing {
            dialing.on_failed();
        }
        self.schedule_dial(now, self.dial_kind(), cause, None);
        if cause == Cause::Authentication {
            self.need_credential();
        }
    }

    /// A connection died, by the host's word.
    pub(super) fn on_detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        let counts = matches!(self.links.slot(epoch), Some(Slot::Candidate | Slot::Current));
        self.drop_link(now, epoch, cause);
        if counts && cause == Cause::Authentication && self.side == Side::Client {
            self.need_credential();
        }
    }

    /// An attach that did not prove itself.
    pub(super) fn attempt_failed(&mut self, now: Instant, cause: Cause, floor: Option<Duration>) {
        let Some(dialing) = &mut self.dialing else { return };
        dialing.on_failed();
        self.schedule_dial(now, self.dial_kind(), cause, floor);
        let nothing_to_lose = self.ticket.is_none() && cause == Cause::Authentication;
        if nothing_to_lose && self.dialing.as_mut().is_some_and(|dialing| dialing.on_unproven()) {
            self.need_credential();
        }
    }

    /// The host's answer to a preparation.
    pub(super) fn on_prepared(
        &mut self,
        now: Instant,
        attempt: u64,
        what: Preparation,
        result: Result<Continuity, Cause>,
    ) {
        let Some(dialing) = &mut self.dialing else { return };
        if !dialing.preparing(attempt, what) {
            return;
        }
        match result {
            Err(cause) => self.host_failed(now, cause),
            Ok(Continuity::Lost) if self.ticket.is_some() => {
                if let Some(want) = &mut dialing.want {
                    *want = Want::new(want.kind, Strategy::Fresh, now, now);
                }
                self.give_way(now);
            }
            Ok(_) => {
                dialing.prepared(now, attempt, what);
                // What runs inside has its state again, and the connection never went.
                if what == Preparation::Recover && self.links.current.is_some() {
                    dialing.want = None;
                    dialing.forced = None;
                }
            }
        }
    }

    /// The host found something broken that no connection's end tells of.
    pub(super) fn on_failure_report(&mut self, now: Instant, cause: Cause) {
        let Some(dialing) = &self.dialing else {
            if let Some(epoch) = self.links.current().map(|live| live.epoch) {
                self.drop_link(now, epoch, cause);
            }
            return;
        };
        let strategy = match self.state {
            State::ClosingAttached | State::ClosingDetached => Strategy::Resume,
            _ => dialing.config.strategies.for_cause(cause),
        };
        let Some(epoch) = self.links.current().map(|live| live.epoch) else {
            match self.links.candidate.as_ref().map(|candidate| candidate.epoch) {
                Some(epoch) => self.on_detach(now, epoch, cause),
                None => self.host_failed(now, cause),
            }
            return;
        };
        match strategy {
            Strategy::Recover => self.ask(now, IntentKind::Migrate, Strategy::Recover, cause),
            Strategy::Fresh => {
                self.ask(now, IntentKind::Resume, Strategy::Fresh, cause);
                self.give_way(now);
            }
            _ => {
                // A swap under way would take the session on without what is to be done first.
                self.links.candidate = None;
                self.on_detach(now, epoch, cause);
            }
        }
    }

    /// Begins [`Strategy::Force`] at once, whatever is under way.
    pub(super) fn begin_force(&mut self, now: Instant) {
        if self.ticket.is_none() {
            if let Some(dialing) = &mut self.dialing {
                dialing.hurry(now);
            }
            return;
        }
        if self.dialing.is_none() {
            return;
        }
        self.links.candidate = None;
        self.leave_current(now, Cause::Local);
        if let Some(dialing) = &mut self.dialing {
            dialing.forced = Some(0);
        }
        self.ask(now, IntentKind::Resume, Strategy::Resume, Cause::Local);
    }

    /// An attempt that begins now, in the place of whatever was wanted before.
    fn ask(&mut self, now: Instant, kind: IntentKind, strategy: Strategy, cause: Cause) {
        let Some(dialing) = &mut self.dialing else { return };
        dialing.attempt += 1;
        dialing.cause = Some(cause);
        dialing.migrate = false;
        dialing.want = Some(Want::new(kind, strategy, now, now));
    }

    pub(super) fn on_credential(&mut self, now: Instant, credential: Option<Bytes>) {
        let Some(dialing) = &mut self.dialing else { return };
        match credential.filter(|c| c.len() <= MAX_CREDENTIAL) {
            Some(fresh) => {
                dialing.config.credential = fresh;
                dialing.on_fresh_credential();
                if core::mem::take(&mut dialing.credential_needed) {
                    // The wait for the host was no part of the dial.
                    if let Some(want) = &mut dialing.want {
                        want.not_before = want.not_before.max(now);
                    }
                }
            }
            None if dialing.credential_needed => self.end(now, EndReason::Unauthorized, None),
            None => {}
        }
    }

    /// The server wants a fresh credential before the next dial.
    pub(super) fn need_credential(&mut self) {
        let Some(dialing) = self.dialing.as_mut().filter(|dialing| !dialing.credential_needed) else {
            return;
        };
        dialing.credential_needed = true;
        self.push_event(Event::CredentialNeeded);
    }

    pub(super) fn go_elsewhere(&mut self, alternate: Bytes) {
        if let Some(dialing) = &mut self.dialing {
            dialing.alternate = alternate;
        }
    }

    pub(super) fn want_migration(&mut self, alternate: Bytes) {
        if let Some(dialing) = &mut self.dialing {
            dialing.migrate = true;
            dialing.alternate = alternate;
        }
    }

    /// Begins a planned swap that was asked for, once the one before it is settled.
    pub(super) fn pursue_migration(&mut self, now: Instant) {
        let Some(dialing) = &self.dialing else { return };
        if !dialing.migrate || !dialing.is_idle() || self.links.candidate.is_some() || !self.may_swap() {
            return;
        }
        if let Some(dialing) = &mut self.dialing {
            dialing.migrate = false;
            dialing.attempt += 1;
            dialing.cause = Some(Cause::ServerAsked);
            dialing.want = Some(Want::new(IntentKind::Migrate, Strategy::Resume, now, now));
        }
    }
}
