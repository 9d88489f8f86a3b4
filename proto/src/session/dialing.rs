//! When the client wants a connection, and which.

use bytes::Bytes;

use super::Session;
use crate::config::{ClientConfig, MAX_CREDENTIAL};
use crate::event::EndReason;
use crate::id::Side;
use crate::reconnect::{Cause, IntentKind, ReconnectIntent, Retry};
use crate::time::{Duration, Instant, earliest};

/// Refusals of a RESUME, in the clear and so without proof, before the session is asked for inside
/// a full handshake.
const REFUSALS_BEFORE_HANDSHAKE: u32 = 2;

pub(super) struct Dialing {
    pub(super) config: ClientConfig,
    retry: Retry,
    attempt: u64,
    want: Option<Want>,
    cause: Option<Cause>,
    /// Doublings of the dial and handshake timeouts: each one that ran out earns one.
    slowness: u32,
    credential_needed: bool,
    alternate: Bytes,
    /// A planned swap was asked for, here or by the server, and has not begun.
    migrate: Option<Cause>,
    refusals: u32,
    /// Which of the configured suites is tried.
    pub(super) suite: usize,
}

/// A dial that is wanted or under way at the host.
#[derive(Clone, Copy)]
struct Want {
    kind: IntentKind,
    not_before: Instant,
    /// `poll_timeout` has told the host of `not_before`.
    announced: bool,
}

impl Dialing {
    pub(super) fn new(now: Instant, config: ClientConfig) -> Dialing {
        let want = Want {
            kind: IntentKind::Establish,
            not_before: now,
            announced: true,
        };
        let mut retry = Retry::default();
        // The very first try is made at once: nothing has failed yet, and no fleet moves in step.
        retry.next(now, &config.backoff, 0);
        Dialing {
            config,
            retry,
            attempt: 1,
            want: Some(want),
            cause: None,
            slowness: 0,
            credential_needed: false,
            alternate: Bytes::new(),
            migrate: None,
            refusals: 0,
            suite: 0,
        }
    }

    pub(super) fn intent(&self) -> Option<ReconnectIntent> {
        let want = self.want?;
        Some(ReconnectIntent {
            attempt: self.attempt,
            not_before: want.not_before,
            deadline: self.deadline(want),
            kind: want.kind,
            cause: self.cause,
            refresh_credential: self.credential_needed,
            alternate: self.alternate.clone(),
        })
    }

    /// The dial was answered with a connection.
    pub(super) fn take_dial(&mut self) -> bool {
        !self.credential_needed && self.want.take().is_some()
    }

    /// The next deadline of a wanted dial; none while the host fetches a credential.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let want = self.want?;
        let begin = (!want.announced).then_some(want.not_before);
        let end = (!self.credential_needed).then(|| self.deadline(want));
        earliest(begin, end)
    }

    /// Whether the dial under way has run out of time.
    pub(super) fn on_timeout(&mut self, now: Instant) -> bool {
        let Some(want) = &mut self.want else { return false };
        want.announced |= now >= want.not_before;
        let want = *want;
        !self.credential_needed && now >= self.deadline(want)
    }

    pub(super) fn hurry(&mut self, now: Instant) {
        if let Some(want) = &mut self.want {
            want.not_before = want.not_before.min(now);
            want.announced = true;
        }
    }

    /// How long a handshake may take now.
    pub(super) fn handshake_timeout(&self) -> Duration {
        self.stretched(self.config.session.handshake_timeout)
    }

    /// The session asks for itself inside a full handshake now, because RESUME keeps being refused.
    pub(super) fn asks_in_handshake(&self) -> bool {
        self.refusals >= REFUSALS_BEFORE_HANDSHAKE
    }

    pub(super) fn on_refused(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// A connection proved itself.
    pub(super) fn on_attached(&mut self) {
        self.refusals = 0;
        self.slowness = 0;
        self.migrate = None;
        self.alternate = Bytes::new();
        self.cause = None;
    }

    /// The connection stayed up long enough for the backoff to start afresh.
    pub(super) fn on_stable(&mut self) {
        self.retry.reset();
    }

    pub(super) fn stable_after(&self) -> Duration {
        self.config.backoff.stable_after
    }

    pub(super) fn is_idle(&self) -> bool {
        self.want.is_none()
    }

    fn deadline(&self, want: Want) -> Instant {
        want.not_before + self.stretched(self.config.session.dial_timeout)
    }

    fn stretched(&self, wait: Duration) -> Duration {
        let factor = 1u32.checked_shl(self.slowness).unwrap_or(u32::MAX);
        wait.saturating_mul(factor)
            .min(self.config.session.keepalive_timeout.max(wait))
    }
}

impl Session {
    /// The next attempt, after one ended or the connection was lost. `floor`: not sooner than this
    /// (the server's word, clamped to the backoff's cap).
    pub(super) fn schedule_dial(&mut self, now: Instant, kind: IntentKind, cause: Cause, floor: Option<Duration>) {
        if self.state.is_ended() {
            return;
        }
        let random = self.rng.next_u64();
        let Some(dialing) = &mut self.dialing else { return };
        dialing.cause = Some(cause);
        if cause == Cause::Timeout {
            dialing.slowness = dialing.slowness.saturating_add(1);
        }
        let backoff = dialing.config.backoff.clone();
        let Some(at) = dialing.retry.next(now, &backoff, random) else {
            dialing.want = None;
            dialing.migrate = None;
            if kind != IntentKind::Migrate {
                self.end(now, EndReason::GaveUp { cause }, None);
            }
            return;
        };
        let floor = floor.map_or(now, |after| now + after.min(backoff.cap));
        dialing.attempt += 1;
        let not_before = at.max(floor);
        dialing.want = Some(Want {
            kind,
            not_before,
            announced: not_before <= now,
        });
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
            self.schedule_dial(now, self.dial_kind(), cause, None);
        }
    }

    /// An attach that did not prove itself.
    pub(super) fn attempt_failed(&mut self, now: Instant, cause: Cause, floor: Option<Duration>) {
        if self.side == Side::Client {
            // Whoever refused the better suite in the clear need not have been the server.
            if let Some(dialing) = &mut self.dialing {
                dialing.suite = 0;
            }
            self.schedule_dial(now, self.dial_kind(), cause, floor);
        }
    }

    pub(super) fn on_credential(&mut self, now: Instant, credential: Option<Bytes>) {
        let Some(dialing) = &mut self.dialing else { return };
        match credential.filter(|c| c.len() <= MAX_CREDENTIAL) {
            Some(fresh) => {
                dialing.config.credential = fresh;
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
        if let Some(dialing) = &mut self.dialing {
            dialing.credential_needed = true;
            self.push_event(crate::event::Event::CredentialNeeded);
        }
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
        let Some(dialing) = self.dialing.as_mut().filter(|dialing| may_swap && dialing.is_idle()) else {
            return;
        };
        match dialing.migrate.take() {
            None => {}
            // A server that sends us away from each connection at once does not set the pace.
            Some(Cause::ServerAsked) if !stable => {
                self.schedule_dial(now, IntentKind::Migrate, Cause::ServerAsked, None);
            }
            Some(cause) => {
                dialing.attempt += 1;
                dialing.cause = Some(cause);
                dialing.want = Some(Want {
                    kind: IntentKind::Migrate,
                    not_before: now,
                    announced: true,
                });
            }
        }
    }
}
