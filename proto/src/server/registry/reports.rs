//! What the registry hears of its sessions from their owners.

use super::routing::Registry;
use crate::accept::{Report, SessionCommand, Status};
use crate::config::WhenDetachedFull;
use crate::event::EndReason;
use crate::id::SessionId;
use crate::liveness::Health;
use crate::server::info::SessionStatus;
use crate::server::table::Entry;
use crate::time::Instant;

impl Registry {
    /// What a session's owner got from [`Session::poll_report`](crate::Session::poll_report). Saying it
    /// twice changes nothing, and neither does a report about a session that is not held.
    pub fn update(&mut self, now: Instant, report: Report) {
        let now = self.advance(now);
        let before = self.sessions.status(report.id);
        let alive = matches!(report.status, Status::Attached | Status::Detached);
        match report.status {
            Status::Provisional => {}
            Status::Attached => {
                let status = match report.health {
                    Health::Idle => SessionStatus::Idle,
                    Health::Suspect => SessionStatus::Suspect,
                    Health::Healthy | Health::Detached => SessionStatus::Connected,
                };
                self.sessions.shift(now, report.id, status, report.bytes);
                if before.is_some_and(|before| !before.is_attached()) {
                    self.ask_latecomer(now, report.id);
                }
            }
            Status::Detached => {
                self.sessions
                    .shift(now, report.id, SessionStatus::Detached, report.bytes);
                self.keep_budget();
            }
            Status::Ended(tombstone) => {
                let Some(entry) = self.forget(now, report.id, report.reason) else {
                    if tombstone.is_some_and(|tombstone| tombstone.is_elsewhere()) {
                        // It was said to be over, and turned out to have gone on in another process before.
                        self.tombstones.send_elsewhere(report.id);
                    }
                    return;
                };
                match tombstone {
                    Some(tombstone) => self.tombstones.entomb(now, entry.client_key, tombstone),
                    None if entry.status == SessionStatus::Connecting => {}
                    None => self.tombstones.forgotten(now, entry.client_key),
                }
            }
        }
        // It may have been attached and lost again between two reports.
        if alive && before == Some(SessionStatus::Connecting) {
            self.replace_namesakes(report.id);
        }
    }

    /// A session is over.
    fn forget(&mut self, now: Instant, id: SessionId, reason: Option<EndReason>) -> Option<Entry> {
        self.commands.forget(id);
        self.sessions.remove(now, id, reason)
    }

    /// Those detached longest go while all together hold too much.
    fn keep_budget(&mut self) {
        while self.config.when_detached_full == WhenDetachedFull::EndLongestDetached
            && self.sessions.detached_bytes() > self.config.max_detached_bytes
            && let Some(longest) = self.sessions.evict()
        {
            self.commands.put(longest, SessionCommand::Evict);
        }
    }

    /// The owner of a session died without a last report: forgets the session. Its client will learn
    /// that the fates of its data are unknown. Without effect for a session that is not held.
    pub fn lost(&mut self, now: Instant, session: SessionId) {
        let now = self.advance(now);
        if let Some(entry) = self.forget(now, session, None) {
            // Whether it was still provisional is what the dead owner knew.
            self.tombstones.forgotten(now, entry.client_key);
        }
    }
}
