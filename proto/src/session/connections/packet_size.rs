//! How long packets may be, where something on the way to the peer lets no longer ones through: a gateway that closes the connection above
//! some size, or loses it there without a word. The search is that of RFC 8899 (Datagram PLPMTUD), sections 4.3 and 5.2, but for one
//! thing: what is lost is a connection and not a packet, so that nothing is tried before it has to be.

use alloc::boxed::Box;

use crate::config::SessionConfig;
use crate::limits::MAX_PACKET;
use crate::reconnect::Cause;
use crate::time::{Duration, Instant};
use crate::wire::frame::Parameters;
use crate::wire::handshake::MIN_PACKET_LIMIT;

/// Every way lets packets of this length through (`MIN_PLPMTU`).
const LEAST: u16 = MIN_PACKET_LIMIT as u16;
/// No packet is longer.
const MOST: u16 = MAX_PACKET as u16;
/// Connections in a row that are lost with a packet under way that was longer than any that arrived there: then it is its length.
const LOSSES: u8 = 2;
/// After so long more is tried again (`PMTU_RAISE_TIMER`), each time after twice as long if it was in vain, up to a day.
const RAISE_AFTER: Duration = Duration::from_secs(600);
const MAX_RAISE_AFTER: Duration = Duration::from_secs(86_400);

/// Which lengths are known to arrive on one connection.
#[derive(Debug)]
pub(crate) struct Carried {
    longest: u16,
    /// The longest packet under way that is longer: the position behind its last frame, and its length.
    under_way: Option<(u64, u16)>,
}

impl Default for Carried {
    fn default() -> Self {
        Carried {
            longest: LEAST,
            under_way: None,
        }
    }
}

impl Carried {
    /// A packet of `bytes` was packed whose sequenced frames end before the position `end`.
    pub(crate) fn on_sent(&mut self, end: u64, bytes: usize) {
        let bytes = u16::try_from(bytes).unwrap_or(MOST);
        // One that is hardly longer than the one under way is not worth that its arrival goes unnoticed.
        let longest = self
            .under_way
            .map_or(self.longest, |(_, longest)| longest.saturating_add(longest / 8));
        if bytes > longest {
            self.under_way = Some((end, bytes));
        }
    }

    /// The peer has all below `position`. The length of a packet that was longer than any before it, and arrived.
    pub(crate) fn on_acked(&mut self, position: u64) -> Option<u16> {
        let (_, bytes) = self.under_way.take_if(|(end, _)| *end <= position)?;
        self.longest = bytes;
        Some(bytes)
    }
}

/// How long packets to the peer may be, as far as lost connections have shown it. One for all connections of a session, and nothing until
/// there was something to learn.
#[derive(Debug, Default)]
pub(crate) struct PathLimit(Option<Box<Learned>>);

#[derive(Debug)]
struct Learned {
    limit: u16,
    /// The connection that was lost last, until the next one shows what became of its packet.
    lost: Option<Lost>,
    /// Packets of this length arrived, or more was never tried since it was found: what is sent again if a longer one is lost.
    proven: u16,
    /// Connections in a row, the shortest of the packets that they may have been lost for, and the longest that arrived since the last of them.
    losses: u8,
    suspect: u16,
    arrived: u16,
    raise_at: Option<Instant>,
    /// Raises in a row that were in vain.
    failures: u8,
}

/// A connection that was lost with a packet under way that was longer than any that arrived there.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// The position behind the packet's last frame.
    end: u64,
    bytes: u16,
    /// Somebody said that it was for a packet's length.
    told: bool,
}

impl Learned {
    fn new() -> Learned {
        Learned {
            limit: MOST,
            lost: None,
            proven: MOST,
            losses: 0,
            suspect: MOST,
            arrived: LEAST,
            raise_at: None,
            failures: 0,
        }
    }

    /// The packet did not arrive.
    fn on_missing(&mut self, now: Instant, lost: Lost) {
        if lost.bytes <= self.arrived {
            // What arrived meanwhile was as long: it is not in a row with those before.
            self.losses = 0;
            self.suspect = MOST;
        }
        self.arrived = LEAST;
        self.losses = self.losses.saturating_add(1);
        self.suspect = self.suspect.min(lost.bytes);
        if lost.told || lost.bytes > self.proven || self.losses >= LOSSES {
            self.lower(now, lost.bytes);
        }
    }

    fn lower(&mut self, now: Instant, bytes: u16) {
        if bytes > self.proven {
            self.limit = self.proven;
            self.failures = self.failures.saturating_add(1);
        } else {
            self.limit = (self.suspect / 2).max(LEAST);
            self.proven = self.limit;
        }
        self.suspect = MOST;
        let wait = RAISE_AFTER.saturating_mul(1 << self.failures.min(16));
        self.raise_at = Some(now + wait.min(MAX_RAISE_AFTER));
    }

    fn on_carried(&mut self, now: Instant, bytes: u16) {
        self.arrived = self.arrived.max(bytes);
        if bytes >= self.suspect || bytes > self.limit / 2 {
            self.losses = 0;
            self.suspect = MOST;
        }
        if bytes > self.proven {
            self.proven = bytes;
            if bytes > self.limit / 2 && self.limit < MOST {
                // The raise was not in vain.
                self.failures = 0;
                self.raise_at = Some(now);
            }
        }
    }

    /// More may be tried soon: the way may be another one.
    fn look_again(&mut self, at: Instant) {
        self.failures = 0;
        self.raise_at = self.raise_at.map(|raise_at| raise_at.min(at));
    }
}

impl PathLimit {
    /// The longest packet that may be sent by that, and by what both ends said.
    pub(crate) fn longest(&self, config: &SessionConfig, peer: Option<&Parameters>) -> usize {
        let theirs = peer.map_or(u64::MAX, |peer| peer.packet_limit);
        let said = usize::try_from(theirs).unwrap_or(usize::MAX).min(config.packet_limit);
        self.0.as_ref().map_or(said, |learned| said.min(learned.limit.into()))
    }

    /// A connection was lost, whose packets were `carried`.
    pub(crate) fn on_lost(&mut self, cause: Cause, carried: &Carried) {
        if let Some((end, bytes)) = carried.under_way
            && !matches!(cause, Cause::Local | Cause::ServerAsked)
        {
            let told = cause == Cause::TooLarge;
            let learned = self.0.get_or_insert_with(|| Box::new(Learned::new()));
            learned.lost = Some(Lost { end, bytes, told });
        }
    }

    /// The next connection carries the session, and the peer had all below `stated` then.
    pub(crate) fn on_attached(&mut self, now: Instant, stated: u64) {
        let Some(learned) = &mut self.0 else { return };
        match learned.lost.take() {
            Some(lost) if lost.end <= stated => self.on_carried(now, lost.bytes),
            Some(lost) => learned.on_missing(now, lost),
            // It was for something else that there is another connection.
            None => learned.look_again(now + RAISE_AFTER),
        }
    }

    /// A packet of that length arrived, longer than any before it on its connection.
    pub(crate) fn on_carried(&mut self, now: Instant, bytes: u16) {
        if let Some(learned) = &mut self.0 {
            learned.on_carried(now, bytes);
            self.0.take_if(|learned| learned.limit == MOST && learned.losses == 0);
        }
    }

    /// The way is another one, or may be: more is tried at once.
    pub(crate) fn on_network_changed(&mut self, now: Instant) {
        if let Some(learned) = &mut self.0 {
            learned.look_again(now);
        }
    }

    /// When longer packets are tried again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.raise_at
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        let due = self
            .0
            .as_mut()
            .filter(|learned| learned.raise_at.is_some_and(|at| now >= at));
        if let Some(learned) = due {
            learned.limit = learned.limit.saturating_mul(2);
            learned.raise_at = (learned.limit < MOST).then(|| now + RAISE_AFTER);
        }
    }
}

#[cfg(test)]
mod tests;
