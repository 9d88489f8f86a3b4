//! Every deadline of a session. After `handle_timeout(t)` the next one is later than `t`.

use super::connections::Draining;
use super::machine::Session;
use crate::event::EndReason;
use crate::liveness::{Health, STALL, Verdict};
use crate::reconnect::Cause;
use crate::time::{Duration, Instant, earliest};

impl Session {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.is_ended() {
            return None;
        }
        let connections = &self.connections;
        let current = connections.heard().and_then(|current| {
            let liveness = Some(current.liveness.deadline(current.rtt.srtt()));
            earliest(earliest(liveness, current.acks.deadline()), current.stable_deadline())
        });
        [
            current,
            connections.draining.as_deref().map(Draining::deadline),
            connections.candidate.as_ref().map(|candidate| candidate.deadline),
            self.reconnecting.next_deadline(),
            self.absence.deadline(self.lifetime()),
            self.next_stuck(),
            self.next_health(),
            self.next_raise(),
            self.events.overdue.next(),
            self.identity.provisional_until,
            self.closing.next_deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|at| now >= at);
        if is_due(self.closing.next_deadline())
            && let Some(finish) = self.closing.on_timeout(now, self.connections.current.is_some())
        {
            self.conclude(now, finish);
        }
        if is_due(self.identity.provisional_until) {
            self.identity.provisional_until = None;
            self.end(now, EndReason::Expired, None);
        }
        if self.absence.is_over(now, self.lifetime()) {
            self.end(now, EndReason::Expired, None);
        }
        if is_due(self.connections.draining.as_deref().map(Draining::deadline)) {
            self.on_draining_timeout(now);
        }
        if is_due(self.connections.candidate.as_ref().map(|candidate| candidate.deadline)) {
            self.lost_candidate(now, Cause::Timeout);
        }
        if self.reconnecting.has_timed_out(now) {
            self.plan(now, |reconnecting, at| {
                reconnecting.host_failed(at, Cause::Timeout, None)
            });
        }
        self.events.tell_overdue(now, &self.ledger.streams);
        self.on_stuck_timeout(now);
        self.on_raise_timeout(now);
        self.on_connection_timeout(now);
    }

    /// When what was packed on the current connection has been unacknowledged for too long.
    fn next_stuck(&self) -> Option<Instant> {
        let since = self.connections.heard()?.unacked_since?;
        Some(since + self.config.stuck.unacknowledged?)
    }

    fn on_stuck_timeout(&mut self, now: Instant) {
        let Some(due) = self.next_stuck().filter(|at| now >= *at) else {
            return;
        };
        match &mut self.connections.current {
            // This host stood still; that is not the peer's silence, and the wait begins afresh.
            Some(current) if now.saturating_since(due) > STALL => current.unacked_since = Some(now),
            _ => self.end_stuck(now),
        }
    }

    /// A verdict on the old connection that comes much too late says that this host stood still; it is asked again then.
    fn on_draining_timeout(&mut self, now: Instant) {
        let Some(Draining { connection, until }) = self.connections.draining.as_deref_mut() else {
            return;
        };
        let srtt = connection.rtt.srtt();
        if now >= *until || connection.liveness.on_timeout(now, srtt) == Verdict::Dead {
            self.connections.lost_draining(self.ledger.expected());
        }
    }

    fn on_connection_timeout(&mut self, now: Instant) {
        let Some(current) = self.connections.heard_mut() else {
            return;
        };
        current.notice_stall(now);
        current.acks.on_timeout(now);
        if current.stable_deadline().is_some_and(|at| now >= at) {
            current.stable_at = None;
            self.reconnecting.on_stable();
        }
        let srtt = current.rtt.srtt();
        let epoch = current.epoch;
        match current.liveness.on_timeout(now, srtt) {
            Verdict::Alive => {}
            Verdict::Doubtful => self.on_doubt(),
            Verdict::Dead => self.drop_connection(now, epoch, Cause::Heartbeat),
        }
    }

    /// How long the session lives without a connection.
    pub(super) fn lifetime(&self) -> Duration {
        self.absence
            .lifetime(self.config.detached_lifetime, self.identity.parameters())
    }

    /// When the health changes by itself.
    fn next_health(&self) -> Option<Instant> {
        let current = self.connections.current()?;
        let shown = self.reporting.health();
        let suspect = current.liveness.suspect_at(current.rtt.srtt());
        let idle = current.busy_at + self.config.idle_after;
        // Data was packed since, and packing decides nothing: the session is not idle any more, which is to be shown now.
        let is_busy = shown == Health::Idle && current.busy_at >= self.reporting.health_shown_at();
        let busy = is_busy.then_some(current.busy_at);
        let quiet = earliest(
            suspect.filter(|_| shown != Health::Suspect),
            Some(idle).filter(|_| shown == Health::Healthy),
        );
        earliest(quiet, busy)
    }
}
