//! A session packed up, carried elsewhere, and gone on with there.

use alloc::vec::Vec;

use bytes::Bytes;

use super::machine::Session;
use crate::config::{ClientConfig, Seed};
use crate::durable::{Journal, RestoreError};
use crate::event::EndReason;
use crate::id::Side;
use crate::rng::Rng;
use crate::security::AtRest;
use crate::time::{Duration, Instant};

impl Session {
    /// Packs the session as a ticket, sealed as `at_rest` says, for another process or device to go on with
    /// ([`import`](Self::import)). It is over here, as [`Moved`](EndReason::Moved), attached or not, and says nothing to its peer, who waits for it to come
    /// back. What is queued and unread goes with it. What it has in a store is to be deleted before the ticket is used: of two that
    /// go on with one session, the slower one ends as [`Superseded`](EndReason::Superseded).
    ///
    /// `None`, and nothing happens, on the accepting side, before there is a session to go on with, and after its end.
    pub fn export(&mut self, now: Instant, at_rest: &AtRest) -> Option<Bytes> {
        if self.side != Side::Client || self.identity.ticket.is_none() || self.is_ended() {
            return None;
        }
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        let mut state = Vec::new();
        self.save(now, &mut state);
        let mut journal = Journal::new(at_rest, None, 0, &mut self.rng);
        let ticket = journal.snapshot(now, self.positions(), &state).bytes;
        self.connections.forget_parting();
        self.end(now, EndReason::Moved, None);
        self.ledger.journal = None;
        self.settle(now);
        Some(ticket)
    }

    /// The session of a ticket, which goes on here: see [`export`](Self::export), and [`restore`](Self::restore) for the rest. `at_rest` is how the ticket is sealed,
    /// whatever the configuration says of the session from now on.
    ///
    /// # Errors
    /// As of [`restore`](Self::restore).
    pub fn import(
        config: ClientConfig,
        ticket: Bytes,
        at_rest: &AtRest,
        away: Option<Duration>,
        seed: Seed,
        now: Instant,
    ) -> Result<Session, RestoreError> {
        config.validate().map_err(|_| RestoreError::Config)?;
        let rng = Rng::new(&seed);
        let session = Session::restored(Side::Client, &config.session, (at_rest, &[ticket]), (now, away), rng)?;
        Ok(session.begin_dialling(config, now))
    }
}
