//! Events that wait to be asked for.

use super::Session;
use crate::event::Event;
use crate::trace;

/// Events of one kind kept for a host that does not ask; beyond it the oldest goes.
const MAX_UNASKED_EVENTS: usize = 64;

impl Session {
    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if matches!(event, Some(Event::Overdue { .. })) {
            self.deadlines.on_asked();
        }
        event.or_else(|| self.ended.take().map(Event::Ended))
    }

    pub(super) fn collect_events(&mut self) {
        while let Some(event) = self.ledger.streams.poll_event() {
            self.events.push_back(event);
        }
    }

    pub(super) fn push_event(&mut self, event: Event) {
        trace::event(&event);
        let kind = unasked(&event);
        let crowd = self.events.iter().filter(|e| unasked(e) == kind).count();
        if kind.is_some() && crowd >= MAX_UNASKED_EVENTS {
            let oldest = self.events.iter().position(|e| unasked(e) == kind);
            oldest.and_then(|oldest| self.events.remove(oldest));
        }
        self.events.push_back(event);
    }
}

/// Events that come without being armed, and so could pile up: which pile.
fn unasked(event: &Event) -> Option<u8> {
    match event {
        Event::Attached { .. } | Event::Detached { .. } | Event::GoAway { .. } => Some(0),
        Event::Reconnect(_) => Some(1),
        Event::Health(_) | Event::ReconnectPaused | Event::ReconnectResumed => Some(2),
        _ => None,
    }
}
