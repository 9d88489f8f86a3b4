//! What the host answered, what failed, and what follows from it.

use bytes::Bytes;

use super::Session;
use super::dialing::Want;
use super::links::Slot;
use super::state::State;
use crate::config::MAX_CREDENTIAL;
use crate::event::{EndReason, Event};
use crate::id::{Epoch, Side};
use crate::reconnect::{Cause, Continuity, IntentKind, Outcome, Preparation, Strategy};
use crate::time::{Duration, Instant};

impl Session {
    pub(super) fn on_dial_failed(&mut self, now: Instant, attempt: u64, cause: Cause, floor: Option<Duration>) {
        let over = self
            .dialing
            .as_ref()
            .is_none_or(|d| d.want.is_none() || d.attempt != attempt);
        if !over {
            self.host_failed(now, cause, floor);
        }
    }

    /// The host did not answer in time.
    pub(super) fn dial_timed_out(&mut self, now: Instant) {
        self.host_failed(now, Cause::Timeout, None);
    }

    /// An attempt failed by the host's own word, which needs no proof.
    fn host_failed(&mut self, now: Instant, cause: Cause, floor: Option<Duration>) {
        self.end_attempt(now, Outcome::Failed(cause));
        if let Some(dialing) = &mut self.dialing {
            dialing.on_failed();
        }
        self.schedule_dial(now, self.dial_kind(), cause, floor);
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
        // One that has taken its place goes on.
        if self.dialing.as_ref().is_some_and(|dialing| !dialing.is_idle()) {
            return;
        }
        self.end_attempt(now, Outcome::Failed(cause));
        let Some(dialing) = &mut self.dialing else { return };
        dialing.on_failed();
        // Whoever refused the better suite in the clear need not have been the server.
        dialing.suite = 0;
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
        if let (Preparation::Restart, Ok(_), Some(history)) = (what, result, &mut self.history) {
            history.stats.restarts += 1;
        }
        match result {
            Err(cause) => self.host_failed(now, cause, None),
            Ok(Continuity::Lost) if self.ticket.is_some() => {
                // The same attempt goes on in the session to come.
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
                    self.end_attempt(now, Outcome::Succeeded);
                } else if self.links.candidate.is_some() {
                    // The swap that was under way when it went is the dial that is wanted.
                    dialing.want = None;
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
                None if self.is_waiting(now) => self.plan_anew(now, cause),
                None => self.host_failed(now, cause, None),
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
            return self.hurry(now);
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
}
