//! The component itself: its fields, and what anybody may ask.

use alloc::boxed::Box;

use bytes::Bytes;

use super::dialing::{Dialing, FreshCredential};
use crate::config::ClientConfig;
use crate::error::PreservedTooLarge;
use crate::limits::MAX_PRESERVED;
use crate::reconnect::{
    Attempt, Cause, Handover, History, IntentKind, Outcome, Preparation, Reached, ReconnectIntent, ReconnectStats,
    Retry,
};
use crate::session::events::Events;
use crate::time::{Duration, Instant};

/// How reconnecting stands: see [`Session::reconnecting`](crate::Session::reconnecting). The calls that change it are those of
/// [`Session::reconnect`](crate::Session::reconnect).
pub struct Reconnecting {
    /// The client's, until the session ends; the server never dials.
    pub(crate) dialing: Option<Box<Dialing>>,
    /// The client's: what was tried.
    pub(crate) history: Option<Box<History>>,
    /// How far the backoff had come at the end.
    retry: Retry,
    /// What the host wants back when it has to start or fill something again.
    preserved: Bytes,
}

impl Reconnecting {
    /// The accepting side's: it never dials.
    pub(crate) fn none() -> Reconnecting {
        Reconnecting {
            dialing: None,
            history: None,
            retry: Retry::default(),
            preserved: Bytes::new(),
        }
    }

    /// The dialling side's, whose first dial is wanted at once.
    pub(crate) fn begin(now: Instant, config: ClientConfig, kind: IntentKind, events: &mut Events) -> Reconnecting {
        let limit = config.history_limit;
        let history = match &config.handover {
            Some(handover) => History::after(handover, limit),
            None => History::new(limit),
        };
        let fresh = history.pending().is_none();
        let preserved = config.handover.as_ref().map(|handover| handover.preserved.clone());
        let mut reconnecting = Reconnecting {
            dialing: Some(Box::new(Dialing::new(now, config, kind))),
            history: Some(Box::new(history)),
            retry: Retry::default(),
            preserved: preserved.unwrap_or_default(),
        };
        if fresh {
            reconnecting.record_attempt(now, events);
        }
        reconnecting
    }

    /// What is asked of the host, if a connection is wanted.
    pub(crate) fn intent(&self) -> Option<ReconnectIntent> {
        let mut intent = self.dialing.as_ref().and_then(|dialing| dialing.intent())?;
        if matches!(intent.preparation, Some(Preparation::Restart | Preparation::Recover)) {
            intent.preserved = self.preserved.clone();
        }
        Some(intent)
    }

    /// What [`preserve`](crate::session::Reconnect::preserve) attached, or the session's [`Handover`] brought.
    #[must_use]
    pub fn preserved(&self) -> &Bytes {
        &self.preserved
    }

    pub(crate) fn preserve(&mut self, state: Bytes) -> Result<(), PreservedTooLarge> {
        if state.len() > MAX_PRESERVED {
            return Err(PreservedTooLarge);
        }
        self.preserved = state;
        Ok(())
    }

    /// The last attempts, oldest first, the one under way or planned last (client). Kept after the end.
    pub fn history(&self) -> impl Iterator<Item = &Attempt> {
        self.history.iter().flat_map(|history| history.iter())
    }

    /// Numbers about reconnecting (client; zero on the accepting side). Kept after the end.
    #[must_use]
    pub fn stats(&self) -> ReconnectStats {
        let mut stats = self.history.as_ref().map(|history| history.stats).unwrap_or_default();
        let wanted = self.dialing.as_ref().and_then(|dialing| dialing.intent());
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

    /// Whether reconnecting is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.dialing.as_ref().is_some_and(|dialing| dialing.paused)
    }

    /// Whether a fresh credential would be welcome: somebody who has proven nothing denied access ([`Cause::Denied`]), or
    /// handshakes keep failing to open. What is dialled does not wait for one
    /// ([`refresh_credential`](ReconnectIntent::refresh_credential) is another thing). It is answered with
    /// [`Answer::Credential`](crate::reconnect::Answer::Credential) or
    /// [`Answer::NoCredential`](crate::reconnect::Answer::NoCredential), which ends only a session that was never established, and it is over
    /// when a connection proved itself.
    #[must_use]
    pub fn is_credential_welcome(&self) -> bool {
        let dialing = self.dialing.as_ref().filter(|dialing| !dialing.paused);
        dialing.is_some_and(|dialing| dialing.credential == FreshCredential::Welcome)
    }

    /// Whether this end dials, and the session is not over.
    pub(crate) fn dials(&self) -> bool {
        self.dialing.is_some()
    }

    /// How long a connection must stay up to count as stable (client).
    pub(crate) fn stable_after(&self) -> Option<Duration> {
        self.dialing.as_ref().map(|dialing| dialing.stable_after())
    }

    /// A handshake took that long for its first answer.
    pub(crate) fn on_rtt(&mut self, rtt: Option<Duration>) {
        if let Some(dialing) = &mut self.dialing {
            dialing.rtt = rtt.or(dialing.rtt);
        }
    }

    /// The attempt under way came so far.
    pub(crate) fn on_reached(&mut self, reached: Reached) {
        if let Some(history) = &mut self.history {
            history.reach(reached);
        }
    }

    /// A connection stayed up long enough for the backoff to start afresh.
    pub(crate) fn on_stable(&mut self) {
        if let Some(dialing) = &mut self.dialing {
            dialing.on_stable();
        }
    }

    /// The tries so far do not count against the limit of them; what they say of the network stands.
    pub(crate) fn forgive_tries(&mut self) {
        if let Some(dialing) = &mut self.dialing {
            dialing.retry.forgive();
        }
    }

    /// A connection proved itself.
    pub(crate) fn on_attached(&mut self, now: Instant) {
        if let Some(dialing) = &mut self.dialing {
            dialing.on_attached();
        }
        if let Some(history) = &mut self.history {
            history.on_attached(now);
        }
    }

    /// The current connection is over.
    pub(crate) fn on_lost(&mut self, now: Instant, cause: Cause) {
        if let Some(history) = &mut self.history {
            history.on_lost(now, cause);
        }
    }

    /// The session is over: nothing is dialled any more, and the attempt under way came to `outcome`, if it does not go
    /// on in another session.
    pub(crate) fn end(&mut self, now: Instant, outcome: Option<Outcome>, events: &mut Events) {
        if let Some(outcome) = outcome {
            self.end_attempt(now, outcome, events);
        }
        self.retry = self.dialing.take().map(|dialing| dialing.retry).unwrap_or_default();
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.dialing.as_ref().and_then(|dialing| dialing.next_deadline())
    }
}

impl core::fmt::Debug for Reconnecting {
    /// Without the host's own bytes, and without the credential.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reconnecting")
            .field("stats", &self.stats())
            .field("paused", &self.is_paused())
            .field("preserved_len", &self.preserved.len())
            .finish_non_exhaustive()
    }
}
