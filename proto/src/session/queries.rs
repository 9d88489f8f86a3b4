//! What anybody may ask at any time.

use super::machine::Session;
use super::reconnecting::Reconnecting;
use super::state::{Facts, SessionState};
use crate::event::EndReason;
use crate::id::{SessionId, Side};
use crate::liveness::Health;
use crate::reliability::Flight;
use crate::security::PublicKey;
use crate::stats::Stats;
use crate::time::{Duration, Instant};

impl Session {
    /// Which end this is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The session's name, once the handshake is complete.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.identity.id()
    }

    /// Where it stands in its life.
    #[must_use]
    pub fn state(&self) -> SessionState {
        let facts = Facts {
            ended: self.is_ended(),
            closing: self.closing.has_begun(),
            attached: self.connections.current.is_some(),
            established: self.counters.stats.attaches > 0,
        };
        facts.state()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.reporting.end().is_some()
    }

    /// Why it is over; `None` while it is not.
    #[must_use]
    pub fn end_reason(&self) -> Option<&EndReason> {
        self.reporting.end()
    }

    /// How the session fares now. Changes are told by [`Event::Health`](crate::Event::Health).
    #[must_use]
    pub fn health(&self, now: Instant) -> Health {
        let now = self.latest.at(now);
        let Some(current) = self.connections.current() else {
            return Health::Detached;
        };
        let suspect = current.liveness.suspect_at(current.rtt.srtt());
        if suspect.is_some_and(|at| at <= now) {
            Health::Suspect
        } else if current.busy_at + self.config.idle_after <= now {
            Health::Idle
        } else {
            Health::Healthy
        }
    }

    /// The peer's static key, once proven.
    #[must_use]
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.identity.peer.as_ref().map(|peer| peer.key)
    }

    /// How reconnecting stands: what was tried, the numbers, what is kept for a session after this one.
    #[must_use]
    pub fn reconnecting(&self) -> &Reconnecting {
        &self.reconnecting
    }

    /// How long the session lives without a connection, as far as this end decides.
    #[must_use]
    pub fn detached_lifetime(&self) -> Duration {
        self.lifetime()
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let current = self.connections.current();
        let flight = current.map(|current| &current.flight);
        Stats {
            srtt: current.and_then(|current| current.rtt.srtt()),
            least_rtt: flight.and_then(Flight::least_rtt),
            delivery_rate: flight.and_then(Flight::rate),
            in_flight: flight.map_or(0, Flight::in_flight),
            in_flight_limit: flight.map_or(0, Flight::limit),
            outbox_bytes: self.ledger.streams.outbox_bytes(),
            inbox_bytes: self.ledger.inbox.bytes(),
            unread_bytes: self.ledger.streams.unread_bytes(),
            ..self.counters.stats
        }
    }

    /// Bytes held for the peer or for the application, metadata included.
    pub(super) fn held_bytes(&self) -> u64 {
        let streams = &self.ledger.streams;
        let held = streams.outbox_bytes() + self.ledger.inbox.bytes() + streams.unread_bytes();
        held as u64
    }
}
