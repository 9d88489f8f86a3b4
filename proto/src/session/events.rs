//! What the host is told, and how much of it waits for a host that does not ask.

use super::Session;
use crate::event::Event;

/// Connection events kept for a host that does not ask; beyond it the oldest goes.
const MAX_UNASKED_EVENTS: usize = 64;

impl Session {
    pub(super) fn collect_events(&mut self) {
        while let Some(event) = self.ledger.streams.poll_event() {
            self.events.push_back(event);
        }
    }

    pub(super) fn push_event(&mut self, event: Event) {
        let lifecycle = |e: &Event| {
            matches!(
                e,
                Event::Attached { .. } | Event::Detached { .. } | Event::GoAway { .. }
            )
        };
        let crowded = lifecycle(&event) && self.events.iter().filter(|e| lifecycle(e)).count() >= MAX_UNASKED_EVENTS;
        if let Some(oldest) = self.events.iter().position(lifecycle).filter(|_| crowded) {
            self.events.remove(oldest);
        }
        self.events.push_back(event);
    }
}
