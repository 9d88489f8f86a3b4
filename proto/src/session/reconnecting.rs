//! The calls on reconnecting: the host's answers to intents, and control.

use bytes::Bytes;

use super::Session;
use crate::config::MAX_PRESERVED;
use crate::error::{ConfigError, PreservedTooLarge};
use crate::event::Event;
use crate::reconnect::{
    Attempt, Backoff, Cause, Continuity, Handover, History, Preparation, ReconnectIntent, ReconnectStats, Strategies,
};
use crate::time::{Duration, Instant};

impl Session {
    /// Whether a connection is wanted, and how (client). A level: it stands until it is answered.
    #[must_use]
    pub fn wanted_connection(&self) -> Option<ReconnectIntent> {
        let mut intent = self.dialing.as_ref().and_then(|dialing| dialing.intent())?;
        if matches!(intent.preparation, Some(Preparation::Restart | Preparation::Recover)) {
            intent.preserved = self.preserved.clone();
        }
        Some(intent)
    }

    /// The dial of `attempt` failed. Ignored when the intent is no longer for that attempt.
    ///
    /// A cause that [is final](Cause::is_final) ends a session that was never established.
    pub fn dial_failed(&mut self, now: Instant, attempt: u64, cause: Cause) {
        self.on_dial_failed(now, attempt, cause, None);
        self.settle(now);
    }

    /// The dial of `attempt` was answered "later" by somebody on the way (a proxy's or an HTTP server's 429 or 503): as
    /// [`dial_failed`](Self::dial_failed) with [`Cause::ServerAsked`], and the next dial comes no sooner than `after`. As nobody
    /// has proven anything, `after` is clamped to the backoff's cap; up to half as much again comes on top, at random.
    pub fn dial_postponed(&mut self, now: Instant, attempt: u64, after: Duration) {
        self.on_dial_failed(now, attempt, Cause::ServerAsked, Some(after));
        self.settle(now);
    }

    /// The host's answer to [`Preparation::Restore`]: the session's state was loaded again and is what this
    /// machine holds, or why not. Ignored when `attempt` does not ask for it.
    pub fn restored(&mut self, now: Instant, attempt: u64, result: Result<(), Cause>) {
        let result = result.map(|()| Continuity::Kept);
        self.on_prepared(now, attempt, Preparation::Restore, result);
        self.settle(now);
    }

    /// The host's answer to [`Preparation::Restart`]: the peer's process runs again, with or without the
    /// session, or why not. Ignored when `attempt` does not ask for it.
    pub fn restarted(&mut self, now: Instant, attempt: u64, result: Result<Continuity, Cause>) {
        self.on_prepared(now, attempt, Preparation::Restart, result);
        self.settle(now);
    }

    /// The host's answer to [`Preparation::Recover`]: what runs inside has its state again, or why not.
    /// Ignored when `attempt` does not ask for it.
    pub fn recovered(&mut self, now: Instant, attempt: u64, result: Result<(), Cause>) {
        let result = result.map(|()| Continuity::Kept);
        self.on_prepared(now, attempt, Preparation::Recover, result);
        self.settle(now);
    }

    /// The host found something broken that no connection's end tells of: a process ended, what runs inside
    /// lost its state. What the table says about `cause` begins; the connection, if one is up, is left
    /// unless the strategy is [`Recover`](crate::reconnect::Strategy::Recover). On the accepting side the
    /// connection is dropped, for the client to come again. An attempt that waits for its time gives way to one for
    /// this cause, at that time: it counts as no try.
    pub fn report_failure(&mut self, now: Instant, cause: Cause) {
        if !self.state.is_ended() {
            self.on_failure_report(now, cause);
        }
        self.settle(now);
    }

    /// Begins [`Strategy::Force`](crate::reconnect::Strategy::Force) now: the current connection, if any, is
    /// left, and the session resumes, or is restored, restarted, or ends for a fresh one. With no session
    /// yet, the pending dial is made at once.
    pub fn force(&mut self, now: Instant) {
        self.begin_force(now);
        self.settle(now);
    }

    /// The host's answer to an intent that asks for a fresh credential: the new one (cut to 7,000
    /// bytes it would be useless, so a longer one counts as `None`), or `None` when there is none and
    /// the session is to end.
    pub fn refresh_credential(&mut self, now: Instant, credential: Option<Bytes>) {
        self.on_credential(now, credential);
        self.settle(now);
    }

    /// Dials now instead of waiting for the backoff. Nothing happens while no dial is pending.
    pub fn reconnect_now(&mut self, now: Instant) {
        self.hurry(now);
        self.settle(now);
    }

    /// A planned swap. The client comes to want a second connection and moves to it once it has
    /// proven itself. The server asks the client to do so `within` that time, at `alternate` if not
    /// empty (one over 1,024 bytes is left out).
    ///
    /// Waits by itself while an earlier swap settles. Asked for while one is under way, whose new connection has
    /// not attached yet, it is that same one, wherever it goes: who wants another place then asks again after
    /// [`Event::Attached`].
    pub fn migrate(&mut self, now: Instant, within: Duration, alternate: Bytes) {
        let _span = self.span.enter();
        self.begin_migration(now, within, alternate);
        self.settle(now);
    }

    /// Dials and prepares nothing until [`resume_reconnecting`](Self::resume_reconnecting); what the host has under way for an
    /// attempt is to be given up, as the wish is gone. A connection that is up, and one whose handshake is under way, go on.
    /// A detached session's lifetime runs on.
    pub fn pause_reconnecting(&mut self, now: Instant) {
        self.set_paused(now, true);
        self.settle(now);
    }

    /// Goes on where [`pause_reconnecting`](Self::pause_reconnecting) stopped: an attempt that was under way begins
    /// anew, one that waited for its time waits on.
    pub fn resume_reconnecting(&mut self, now: Instant) {
        self.set_paused(now, false);
        self.settle(now);
    }

    /// From the next attempt on `backoff` holds; one that waits for its time waits on, and the tries made so far count.
    /// [`Backoff::never`] takes the session out of reconnecting: it ends when its connection does.
    ///
    /// # Errors
    /// It is out of range; nothing changed.
    pub fn set_backoff(&mut self, now: Instant, backoff: Backoff) -> Result<(), ConfigError> {
        backoff.validate()?;
        if let Some(dialing) = &mut self.dialing {
            dialing.config.backoff = backoff;
        }
        self.settle(now);
        Ok(())
    }

    /// From the next failure or loss on `strategies` say what is done about it.
    pub fn set_strategies(&mut self, now: Instant, strategies: Strategies) {
        if let Some(dialing) = &mut self.dialing {
            dialing.config.strategies = strategies;
        }
        self.settle(now);
    }

    /// Whether reconnecting is paused.
    #[must_use]
    pub fn is_reconnecting_paused(&self) -> bool {
        self.dialing.as_ref().is_some_and(|dialing| dialing.paused)
    }

    fn set_paused(&mut self, now: Instant, paused: bool) {
        let changed = self
            .dialing
            .as_mut()
            .is_some_and(|dialing| dialing.set_paused(now, paused));
        if changed {
            self.push_event(if paused {
                Event::ReconnectPaused
            } else {
                Event::ReconnectResumed
            });
        }
    }

    /// Attaches bytes of the host's own to the session, in the place of what was there: what it needs to start
    /// the peer's process again, or to fill what runs inside ([`ShellState`](crate::reconnect::ShellState) is a ready-made
    /// form). The intents of [`Restart`](Preparation::Restart) and [`Recover`](Preparation::Recover) hand them out. They never leave this
    /// host. Up to 1 MiB ([`MAX_PRESERVED`]). Owner: the session.
    ///
    /// # Errors
    /// They are longer; what was there stays.
    pub fn preserve(&mut self, now: Instant, state: Bytes) -> Result<(), PreservedTooLarge> {
        if state.len() > MAX_PRESERVED {
            return Err(PreservedTooLarge);
        }
        self.preserved = state;
        self.settle(now);
        Ok(())
    }

    /// What [`preserve`](Self::preserve) attached, or the session's [`Handover`] brought.
    #[must_use]
    pub fn preserved(&self) -> &Bytes {
        &self.preserved
    }

    /// The last attempts, oldest first, the one under way or planned last (client). Kept after the end.
    pub fn history(&self) -> impl Iterator<Item = &Attempt> {
        self.history.iter().flat_map(|history| history.iter())
    }

    /// Numbers about reconnecting (client; zero on the accepting side). Kept after the end.
    #[must_use]
    pub fn reconnect_stats(&self) -> ReconnectStats {
        let wanted = self.wanted_connection();
        let mut stats = self.history.as_ref().map(|history| history.stats).unwrap_or_default();
        stats.next_retry = wanted.map(|intent| intent.not_before);
        stats
    }

    /// What this session leaves to one that takes its place, to be put into
    /// [`ClientConfig::handover`](crate::ClientConfig::handover): asked for after the end, usually one for
    /// [`EndReason::Fresh`](crate::event::EndReason::Fresh). `None` on the accepting side.
    #[must_use]
    pub fn handover(&self) -> Option<Handover> {
        Some(Handover {
            history: History::clone(self.history.as_ref()?),
            retry: self.dialing.as_ref().map_or(self.retry, |dialing| dialing.retry),
            preserved: self.preserved.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
