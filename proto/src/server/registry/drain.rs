//! How a registry empties itself.

#[cfg(test)]
mod tests;

use super::routing::Registry;
use crate::accept::{Refusal, SessionCommand};
use crate::id::SessionId;
use crate::server::drain::{Drain, DrainStatus, Draining};
use crate::server::info::{Select, SessionStatus};
use crate::time::Instant;

impl Registry {
    /// From now on no new session is let in, but told to come later or elsewhere, and the clients of
    /// those there are asked to leave ([`SessionCommand::Leave`]). Sessions still resume here meanwhile, so that
    /// nothing they hold is lost. Ask [`draining`](Self::draining) how it gets on; what remains in the
    /// end is the host's to close. A second call begins anew.
    pub fn drain(&mut self, now: Instant, plan: Drain) {
        let now = self.advance(now);
        let mut draining = Draining::new(now, plan);
        for id in self.sessions.ids(Select::All) {
            draining.ask(now, id, &mut self.rng);
        }
        self.draining = Some(draining);
        self.handle_timeout(now);
    }

    /// The registry lets sessions in again. A client that was asked to leave still leaves.
    pub fn stop_draining(&mut self, now: Instant) {
        self.draining = None;
        self.handle_timeout(now);
    }

    /// How the drain gets on; `None` when there is none.
    #[must_use]
    pub fn draining(&self) -> Option<DrainStatus> {
        let draining = self.draining.as_ref()?;
        let counts = |status| self.sessions.counts(status);
        Some(DrainStatus {
            until: draining.until,
            unasked: draining.unasked(),
            connected: counts(SessionStatus::Connecting) + self.sessions.attached(),
            detached: counts(SessionStatus::Detached),
            detached_bytes: self.sessions.detached_bytes(),
        })
    }

    /// Asks the clients whose moment has come.
    pub(super) fn ask_to_leave(&mut self, now: Instant) {
        while let Some(draining) = &mut self.draining
            && let Some(id) = draining.pop_due(now)
        {
            if self.sessions.contains(id) {
                let within = draining.until.saturating_since(now);
                let alternate = draining.plan.alternate.clone();
                self.commands.put(id, SessionCommand::Leave { within, alternate });
            }
        }
    }

    /// A session that was admitted before the drain is established only now, or is attached again. A request that was made
    /// while it was detached never reached its client, so the client is asked again.
    pub(super) fn ask_latecomer(&mut self, now: Instant, id: SessionId) {
        if let Some(draining) = &mut self.draining {
            draining.ask(now, id, &mut self.rng);
            self.ask_to_leave(now);
        }
    }

    /// The answer to a client that wants a new session during a drain.
    pub(super) fn refusal_of_drain(&mut self, now: Instant) -> Option<Refusal> {
        let draining = self.draining.as_ref()?;
        Some(Refusal::RetryLater {
            after: draining.stay_away(now, &mut self.rng),
            alternate: draining.plan.alternate.clone(),
        })
    }
}
