//! What the host answered, what failed, and what follows from it.

use bytes::Bytes;

use super::dialing::{FreshCredential, Want};
use super::plan::{Circumstances, Decision};
use super::state::Reconnecting;
use crate::event::{EndReason, Event};
use crate::limits::MAX_CREDENTIAL;
use crate::reconnect::{Answer, Cause, Continuity, Outcome, Preparation, Strategy};
use crate::session::events::Events;
use crate::time::{Duration, Instant};

impl Reconnecting {
    /// The host's answer to the intent of `attempt`. One that is not asked for changes nothing.
    pub(crate) fn handle_answer(&mut self, at: &mut Circumstances<'_>, attempt: u64, answer: Answer) -> Decision {
        match answer {
            Answer::Failed(cause) => self.on_dial_failed(at, attempt, cause, None),
            Answer::Postponed(after) => self.on_dial_failed(at, attempt, Cause::ServerAsked, Some(after)),
            Answer::Restored => self.on_prepared(at, attempt, Preparation::Restore, Ok(Continuity::Kept)),
            Answer::Restarted(continuity) => self.on_prepared(at, attempt, Preparation::Restart, Ok(continuity)),
            Answer::Recovered => self.on_prepared(at, attempt, Preparation::Recover, Ok(Continuity::Kept)),
            Answer::Credential(credential) => self.on_credential(at, Some(credential)),
            Answer::NoCredential => self.on_credential(at, None),
        }
    }

    pub(crate) fn on_dial_failed(
        &mut self,
        at: &mut Circumstances<'_>,
        attempt: u64,
        cause: Cause,
        floor: Option<Duration>,
    ) -> Decision {
        let over = self
            .dialing
            .as_ref()
            .is_none_or(|d| d.want.is_none() || d.attempt != attempt);
        if over {
            return Decision::GoOn;
        }
        self.host_failed(at, cause, floor)
    }

    /// Whether the time of the dial or preparation under way has run out.
    pub(crate) fn has_timed_out(&mut self, now: Instant) -> bool {
        self.dialing.as_mut().is_some_and(|dialing| dialing.on_timeout(now))
    }

    /// An attempt failed: the host said so, which needs no proof, or did not answer in time.
    pub(crate) fn host_failed(
        &mut self,
        at: &mut Circumstances<'_>,
        cause: Cause,
        floor: Option<Duration>,
    ) -> Decision {
        self.end_attempt(at.now, Outcome::Failed(cause), at.events);
        let is_outdated = self.is_outdated();
        if let Some(dialing) = &mut self.dialing {
            dialing.on_failed();
        }
        let decision = self.schedule(at, at.dial_kind(), cause, floor);
        if decision == Decision::GoOn && !(is_outdated && cause == Cause::Denied) {
            self.ask_credential(cause, at.events);
        }
        decision
    }

    /// An attach that did not prove itself.
    pub(crate) fn attempt_failed(
        &mut self,
        at: &mut Circumstances<'_>,
        cause: Cause,
        floor: Option<Duration>,
    ) -> Decision {
        let Some(dialing) = self.dialing.as_mut().filter(|dialing| dialing.is_idle()) else {
            // One that has taken its place goes on.
            return Decision::GoOn;
        };
        dialing.on_failed();
        // Whoever refused the better suite in the clear need not have been the server.
        dialing.suite = 0;
        self.end_attempt(at.now, Outcome::Failed(cause), at.events);
        let decision = self.schedule(at, at.dial_kind(), cause, floor);
        let nothing_to_lose = !at.established && cause == Cause::Authentication && decision == Decision::GoOn;
        if nothing_to_lose && self.dialing.as_mut().is_some_and(|dialing| dialing.on_unproven()) {
            self.ask_credential(Cause::Denied, at.events);
        }
        decision
    }

    /// The host's answer to a preparation.
    pub(crate) fn on_prepared(
        &mut self,
        at: &mut Circumstances<'_>,
        attempt: u64,
        what: Preparation,
        result: Result<Continuity, Cause>,
    ) -> Decision {
        let Some(dialing) = &mut self.dialing else {
            return Decision::GoOn;
        };
        if !dialing.preparing(attempt, what) {
            return Decision::GoOn;
        }
        if let (Preparation::Restart, Ok(_), Some(history)) = (what, result, &mut self.history) {
            history.stats.restarts += 1;
        }
        match result {
            Err(cause) => return self.host_failed(at, cause, None),
            Ok(Continuity::Lost) if at.established => {
                // The same attempt goes on in the session to come.
                if let Some(want) = &mut dialing.want {
                    *want = Want::new(want.kind, Strategy::Fresh, at.now, at.now);
                }
                return self.give_way(at.now, at.stable);
            }
            Ok(_) => {
                dialing.prepared(at.now, attempt, what);
                // What runs inside has its state again, and the connection never went.
                if what == Preparation::Recover && at.attached {
                    dialing.want = None;
                    dialing.forced = None;
                    self.end_attempt(at.now, Outcome::Succeeded, at.events);
                } else if at.proving {
                    // The swap that was under way when it went is the dial that is wanted.
                    dialing.want = None;
                }
            }
        }
        Decision::GoOn
    }

    /// What is done about `cause`; `None`: this end does not dial.
    pub(crate) fn strategy_for(&self, cause: Cause, closing: bool) -> Option<Strategy> {
        let dialing = self.dialing.as_ref()?;
        Some(if closing {
            Strategy::Resume
        } else {
            dialing.config.strategies.for_cause(cause)
        })
    }

    /// The host found something broken while there is no connection whose loss would say so.
    pub(crate) fn on_failure_report(&mut self, at: &mut Circumstances<'_>, cause: Cause) -> Decision {
        if self.is_waiting(at.now) {
            self.plan_anew(at, cause);
            return Decision::GoOn;
        }
        self.host_failed(at, cause, None)
    }

    /// A fresh credential, or the host's answer that there is none.
    pub(crate) fn on_credential(&mut self, at: &Circumstances<'_>, credential: Option<Bytes>) -> Decision {
        let Some(dialing) = &mut self.dialing else {
            return Decision::GoOn;
        };
        match credential.filter(|c| c.len() <= MAX_CREDENTIAL) {
            Some(fresh) => {
                dialing.config.credential = fresh;
                dialing.on_fresh_credential();
                let is_under_way = dialing
                    .want
                    .map_or(at.proving, |want| dialing.is_dialling(want, at.now));
                if is_under_way {
                    dialing.outdated = dialing.attempt;
                }
                if core::mem::take(&mut dialing.credential) == FreshCredential::Required {
                    // The wait for the host was no part of the dial.
                    if let Some(want) = &mut dialing.want {
                        want.not_before = want.not_before.max(at.now);
                    }
                }
                Decision::GoOn
            }
            None => match dialing.credential {
                FreshCredential::Required => Decision::End(EndReason::Unauthorized),
                FreshCredential::Welcome if !at.established => Decision::End(EndReason::Unauthorized),
                FreshCredential::Welcome => {
                    // Who denied access has proven nothing, so that the session dials on.
                    dialing.credential = FreshCredential::Declined;
                    Decision::GoOn
                }
                FreshCredential::Unasked | FreshCredential::Declined => Decision::GoOn,
            },
        }
    }

    /// Whether the attempt under way shows a credential that was replaced meanwhile.
    pub(crate) fn is_outdated(&self) -> bool {
        self.dialing.as_ref().is_some_and(|dialing| dialing.is_outdated())
    }

    /// A failure of this `cause` may ask for a fresh credential before the next dial, or beside it.
    pub(crate) fn ask_credential(&mut self, cause: Cause, events: &mut Events) {
        let Some(dialing) = &mut self.dialing else { return };
        let asked = match (cause, dialing.credential) {
            (Cause::Authentication, _) => FreshCredential::Required,
            (Cause::Denied, FreshCredential::Unasked) => FreshCredential::Welcome,
            _ => return,
        };
        let before = core::mem::replace(&mut dialing.credential, asked);
        if matches!(before, FreshCredential::Unasked | FreshCredential::Declined) {
            events.push(Event::CredentialNeeded);
        }
    }

    /// The server refused us in the clear. `resuming`: it was a RESUME; `next_suite`: the one to try instead.
    pub(crate) fn on_refused(&mut self, resuming: bool) {
        if let Some(dialing) = self.dialing.as_mut().filter(|_| resuming) {
            dialing.on_refused();
        }
    }

    /// Which of the configured suites the next handshake begins with.
    pub(crate) fn try_suite(&mut self, suite: usize) {
        if let Some(dialing) = &mut self.dialing {
            dialing.suite = suite;
        }
    }
}
