//! What the registry and the host are told of how the session fares, and whether that is due.

use alloc::boxed::Box;
use core::ops::RangeInclusive;

use crate::accept::Over;
use crate::event::EndReason;
use crate::liveness::Health;
use crate::time::Instant;

/// A detached session reports again when it holds this much more or less.
const REPORT_GRAIN: u64 = 4_096;

pub(crate) struct Reporting {
    /// The registry has not been told of the newest state.
    due: bool,
    /// The bytes held that the last report that became due was about.
    bytes: u64,
    /// The health that the host was last told.
    health: Health,
    /// When it was last looked at.
    health_at: Instant,
    /// How the session ended; `None` while it has not.
    end: Option<Box<SessionEnd>>,
}

/// What is remembered of the end.
struct SessionEnd {
    reason: EndReason,
    /// The positions that the peer might have stated then.
    believable: RangeInclusive<u64>,
    /// What a client that was away is told beyond that it is over.
    over: Option<Over>,
}

impl Reporting {
    pub(crate) fn new() -> Reporting {
        Reporting {
            due: false,
            bytes: 0,
            health: Health::Detached,
            health_at: Instant::ZERO,
            end: None,
        }
    }

    /// Something changed that the registry has to know.
    pub(crate) fn set_due(&mut self) {
        self.due = true;
    }

    /// Whether a report is due; it counts as made.
    pub(crate) fn take_due(&mut self) -> bool {
        core::mem::take(&mut self.due)
    }

    /// The session holds `held` bytes. What a detached session holds counts against a budget of all of them.
    pub(crate) fn on_bytes(&mut self, held: u64, detached: bool) {
        self.due |= detached && held.abs_diff(self.bytes) >= REPORT_GRAIN;
        if self.due {
            self.bytes = held;
        }
    }

    /// The health that the host was last told.
    pub(crate) fn health(&self) -> Health {
        self.health
    }

    /// When the health shown was last looked at.
    pub(crate) fn health_shown_at(&self) -> Instant {
        self.health_at
    }

    /// The session fares so now. Whether that is a change.
    pub(crate) fn on_health(&mut self, now: Instant, health: Health) -> bool {
        self.health_at = now;
        let changed = core::mem::replace(&mut self.health, health) != health;
        self.due |= changed;
        changed
    }

    /// The session is over. `believable`: the positions that the peer might have stated; `over`: what it is told when it comes late.
    pub(crate) fn on_end(&mut self, reason: EndReason, believable: RangeInclusive<u64>, over: Option<Over>) {
        self.end = Some(Box::new(SessionEnd {
            reason,
            believable,
            over,
        }));
        self.due = true;
    }

    /// It is over here, and may go on where what is kept of it is restored.
    pub(crate) fn goes_on_elsewhere(&mut self) {
        if let Some(end) = &mut self.end {
            end.over = Some(Over::Elsewhere);
        }
    }

    /// Why the session is over, if it is.
    pub(crate) fn end(&self) -> Option<&EndReason> {
        self.end.as_ref().map(|end| &end.reason)
    }

    /// What a client that comes late is told beyond that it is over.
    pub(crate) fn over(&self) -> Option<&Over> {
        self.end.as_ref().and_then(|end| end.over.as_ref())
    }

    /// The positions that the peer might have stated when the session ended, if it is over.
    pub(crate) fn believable(&self) -> Option<&RangeInclusive<u64>> {
        self.end.as_ref().map(|end| &end.believable)
    }
}
