//! Since when no connection carries the session, and how long that may last.

use core::num::NonZeroU64;

use crate::limits::DETACHED_LIFETIME;
use crate::liveness::STALL;
use crate::time::{Duration, Instant};
use crate::wire::frame::Parameters;

/// How long a peer may take to come back when this host, which stood still, is back.
const SECOND_CHANCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Absence {
    since: Option<Instant>,
    /// This host stood still while the time ran out, which was not the peer's absence: until then the peer has another chance.
    /// The origin: that has not been.
    excused_until: Instant,
    /// How many nanoseconds this end lets it last, if its host changed that.
    own: Option<NonZeroU64>,
}

impl Absence {
    /// Whether the session was attached and is not now.
    pub(crate) fn is_detached(&self) -> bool {
        self.since.is_some()
    }

    /// The last connection went.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.since = Some(now);
        self.excused_until = Instant::ZERO;
    }

    /// A connection carries the session, or it is over. Returns how long none did.
    pub(crate) fn end(&mut self, now: Instant) -> Duration {
        self.since
            .take()
            .map_or(Duration::ZERO, |since| now.saturating_since(since))
    }

    /// This end's host says how long it may last, whatever was agreed in the handshake.
    pub(crate) fn limit(&mut self, lifetime: Duration) {
        let lifetime = lifetime.clamp(DETACHED_LIFETIME.0, DETACHED_LIFETIME.1);
        self.own = u64::try_from(lifetime.as_nanos()).ok().and_then(NonZeroU64::new);
    }

    /// What this end's host said of it.
    pub(crate) fn limited_to(&self) -> Option<Duration> {
        self.own.map(|nanos| Duration::from_nanos(nanos.get()))
    }

    /// How long the session lives without a connection: the smaller of both ends' wishes, until this
    /// end's host says otherwise.
    pub(crate) fn lifetime(&self, configured: Duration, peer: Option<&Parameters>) -> Duration {
        if let Some(own) = self.own {
            return Duration::from_nanos(own.get());
        }
        let theirs = peer.map_or(u64::MAX, |peer| peer.detached_lifetime);
        configured.min(Duration::from_millis(theirs))
    }

    /// When the session expires, if no connection comes before.
    pub(crate) fn deadline(&self, lifetime: Duration) -> Option<Instant> {
        let since = self.since?;
        Some(self.excused_until.max(since + lifetime))
    }

    /// Whether the peer was away for too long: not if this host looks much too late, for the first time.
    pub(crate) fn is_over(&mut self, now: Instant, lifetime: Duration) -> bool {
        let Some(due) = self.deadline(lifetime).filter(|due| now >= *due) else {
            return false;
        };
        let stood_still = now.saturating_since(due) > STALL && self.excused_until == Instant::ZERO;
        if stood_still {
            self.excused_until = now + lifetime.min(SECOND_CHANCE);
        }
        !stood_still
    }
}
