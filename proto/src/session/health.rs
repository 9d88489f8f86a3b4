//! How the session fares, for people and their programs.

use super::{Lifecycle, Session};
use crate::event::Event;
use crate::liveness::Health;
use crate::time::{Instant, earliest};

impl Session {
    /// How the session fares now. Changes are told by [`Event::Health`].
    #[must_use]
    pub fn health(&self, now: Instant) -> Health {
        let Some(live) = self.links.current() else {
            return Health::Detached;
        };
        if live.liveness.suspect_at(live.rtt.srtt()).is_some_and(|at| at <= now) {
            Health::Suspect
        } else if live.busy_at + self.config.idle_after <= now {
            Health::Idle
        } else {
            Health::Healthy
        }
    }

    /// Where the session is in its life, in five words for people.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.state.lifecycle(self.shown_health.0 == Health::Idle, self.expired)
    }

    /// Tells the host of a change.
    pub(super) fn show_health(&mut self, now: Instant) {
        let health = self.health(now);
        let (shown, _) = core::mem::replace(&mut self.shown_health, (health, now));
        if health != shown {
            self.push_event(Event::Health(health));
            self.report_due = true;
        }
    }

    /// When the health changes by itself.
    pub(super) fn next_health(&self) -> Option<Instant> {
        let live = self.links.current()?;
        let (shown, since) = self.shown_health;
        let suspect = live.liveness.suspect_at(live.rtt.srtt());
        let idle = live.busy_at + self.config.idle_after;
        // Data was packed, where nothing is decided: idle no more, and that is due to be told.
        let busy = (shown == Health::Idle && live.busy_at >= since).then_some(live.busy_at);
        let quiet = earliest(
            suspect.filter(|_| shown != Health::Suspect),
            Some(idle).filter(|_| shown == Health::Healthy),
        );
        earliest(quiet, busy)
    }
}

#[cfg(test)]
mod tests;
