//! Between a session and the registry that knows about it: what is reported, what is ordered.

use super::Session;
use super::ending::Finish;
use super::state::State;
use crate::event::EndReason;
use crate::id::Side;
use crate::server::{Report, SessionCommand, Status, Tombstone};
use crate::time::{Duration, Instant};
use crate::wire::frame::EndCode;

/// A detached session reports again when it holds this much more or less.
const REPORT_GRAIN: u64 = 4_096;
/// The bounds of a lifetime, as in [`SessionConfig::detached_lifetime`](crate::SessionConfig::detached_lifetime).
const LIFETIME: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(365 * 86_400));

impl Session {
    /// Carries out what the registry ordered (server). Harmless when it comes late or twice.
    pub fn handle_command(&mut self, now: Instant, command: SessionCommand) {
        match command {
            SessionCommand::Close { code, reason } => self.begin_close(now, code, reason),
            SessionCommand::Abort => self.end_by_host(now),
            SessionCommand::Leave { within, alternate } => self.begin_migration(now, within, alternate),
            SessionCommand::Lifetime(lifetime) => self.change_lifetime(lifetime),
            SessionCommand::Replace => self.conclude(
                now,
                Finish {
                    reason: EndReason::Replaced,
                    say: Some(EndCode::Aborted),
                    peer_position: None,
                },
            ),
            SessionCommand::Evict => self.evict(now),
        }
        self.settle(now);
    }

    /// From now on this end lets the session be detached for `lifetime` (1 ms to 365 days), the present
    /// time without a connection included, whatever was agreed in the handshake. The peer's own limit
    /// stays what it was: to live longer, both hosts have to say so.
    pub fn set_detached_lifetime(&mut self, now: Instant, lifetime: Duration) {
        self.change_lifetime(lifetime);
        self.settle(now);
    }

    /// How long the session lives without a connection, as far as this end decides.
    #[must_use]
    pub fn detached_lifetime(&self) -> Duration {
        self.lifetime()
    }

    fn change_lifetime(&mut self, lifetime: Duration) {
        self.own_lifetime = Some(lifetime.clamp(LIFETIME.0, LIFETIME.1));
    }

    fn evict(&mut self, now: Instant) {
        if self.detached_at.is_some() {
            let finish = Finish {
                reason: EndReason::Evicted,
                say: None,
                peer_position: None,
            };
            self.conclude(now, finish);
        }
    }

    /// Bytes held for the peer or for the application, metadata included.
    pub(super) fn held_bytes(&self) -> u64 {
        let streams = &self.ledger.streams;
        let held = streams.outbox_bytes() + self.ledger.inbox.bytes() + streams.unread_bytes();
        held as u64
    }

    /// What a detached session holds counts against a budget of all of them.
    pub(super) fn note_bytes(&mut self) {
        let held = self.held_bytes();
        if self.detached_at.is_some() && held.abs_diff(self.reported_bytes) >= REPORT_GRAIN {
            self.report_due = true;
        }
        if self.report_due {
            self.reported_bytes = held;
        }
    }

    /// What the registry is to know.
    pub(super) fn report(&self) -> Option<Report> {
        let ticket = self.ticket.as_ref().filter(|_| self.side == Side::Server)?;
        let status = match self.state {
            State::Connecting => Status::Provisional,
            State::Attached | State::ClosingAttached => Status::Attached,
            State::Detached | State::ClosingDetached => Status::Detached,
            State::Ended => Status::Ended(self.tombstone()),
        };
        Some(Report {
            id: ticket.id,
            status,
            health: self.shown_health.0,
            bytes: self.held_bytes(),
            reason: self.end_reason.as_deref().cloned(),
        })
    }

    /// What remains of a session that somebody may still ask for.
    fn tombstone(&self) -> Option<Tombstone> {
        let ticket = self.ticket.as_ref().filter(|_| self.stats.attaches > 0)?;
        let secrets = core::iter::once(&ticket.secret).chain(ticket.candidate.as_ref());
        Some(Tombstone {
            id: ticket.id,
            position: self.ledger.stated(),
            verifiers: secrets.map(|secret| secret.verifier()).collect(),
        })
    }
}
