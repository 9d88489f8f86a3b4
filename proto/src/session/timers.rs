//! Every deadline of a session. After `handle_timeout(t)` the next one is later than `t`.

use super::Session;
use crate::event::EndReason;
use crate::liveness::{STALL, Verdict};
use crate::reconnect::Cause;
use crate::time::{Duration, Instant, earliest};

impl Session {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.state.is_ended() {
            return None;
        }
        let current = self.links.current().and_then(|live| {
            let liveness = Some(live.liveness.deadline(live.rtt.srtt()));
            earliest(earliest(liveness, live.acks.deadline()), live.stable_at)
        });
        let draining = self.links.draining.as_ref().map(|draining| draining.until);
        let candidate = self.links.candidate.as_ref().map(|candidate| candidate.deadline);
        let dial = self.dialing.as_ref().and_then(|dialing| dialing.next_deadline());
        let lifetime = self.detached_at.map(|since| since + self.lifetime());
        [
            current,
            draining,
            candidate,
            dial,
            lifetime,
            self.next_stuck(),
            self.next_health(),
            self.deadlines.next(),
            self.provisional_until,
            self.closing.next_deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.closing.next_deadline().is_some_and(|at| now >= at) {
            self.on_closing_timeout(now);
        }
        if self.provisional_until.is_some_and(|until| now >= until) {
            self.provisional_until = None;
            self.end(now, EndReason::Expired, None);
        }
        if self.detached_at.is_some_and(|since| now >= since + self.lifetime()) {
            self.end(now, EndReason::Expired, None);
        }
        if self
            .links
            .draining
            .as_ref()
            .is_some_and(|draining| now >= draining.until)
        {
            self.lost_draining();
        }
        if self
            .links
            .candidate
            .as_ref()
            .is_some_and(|candidate| now >= candidate.deadline)
        {
            self.lost_candidate(now, Cause::Timeout);
        }
        if self.dialing.as_mut().is_some_and(|dialing| dialing.on_timeout(now)) {
            self.dial_timed_out(now);
        }
        self.on_deadlines(now);
        self.on_stuck_timeout(now);
        self.on_live_timeout(now);
    }

    /// When what was packed on the current connection has been unacknowledged for too long.
    fn next_stuck(&self) -> Option<Instant> {
        let since = self.links.current()?.unacked_since?;
        Some(since + self.config.stuck.unacknowledged?)
    }

    fn on_stuck_timeout(&mut self, now: Instant) {
        let Some(due) = self.next_stuck().filter(|at| now >= *at) else {
            return;
        };
        match &mut self.links.current {
            // This host stood still; that is not the peer's silence, and the wait begins afresh.
            Some(live) if now.saturating_since(due) > STALL => live.unacked_since = Some(now),
            _ => self.end_stuck(now),
        }
    }

    fn on_live_timeout(&mut self, now: Instant) {
        let Some(live) = &mut self.links.current else { return };
        live.acks.on_timeout(now);
        if live.stable_at.is_some_and(|at| now >= at) {
            live.stable_at = None;
            if let Some(dialing) = &mut self.dialing {
                dialing.on_stable();
            }
        }
        let srtt = live.rtt.srtt();
        if live.liveness.on_timeout(now, srtt) == Verdict::Dead {
            let epoch = live.epoch;
            self.drop_link(now, epoch, Cause::Heartbeat);
        }
    }

    /// How long the session lives without a connection: the smaller of both ends' wishes, until this
    /// end's host says otherwise.
    pub(super) fn lifetime(&self) -> Duration {
        if let Some(own) = self.own_lifetime {
            return own;
        }
        let theirs = self
            .peer
            .as_ref()
            .map_or(u64::MAX, |peer| peer.parameters.detached_lifetime);
        self.config.detached_lifetime.min(Duration::from_millis(theirs))
    }
}
