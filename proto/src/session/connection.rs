//! What belongs to one connection. Dropping the value is the whole clean-up; an attach builds a
//! fresh one and no field is ever cleared by hand.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::MAX_PACKET;
use crate::id::{Carrier, Epoch};
use crate::liveness::Liveness;
use crate::reliability::{AckPolicy, Rtt};
use crate::security::{ClientHandshake, ClientResume, Established, Keys};
use crate::time::{Duration, Instant};

/// A connection that has not proven itself yet.
pub(super) struct Candidate {
    pub(super) epoch: Epoch,
    /// The handshake packet to send next.
    pub(super) outgoing: Option<Vec<u8>>,
    /// When the handshake must be over.
    pub(super) deadline: Instant,
    pub(super) stage: Stage,
}

/// How far a candidate's proof has come.
pub(super) enum Stage {
    /// Client: HELLO is out. Boxed: a handshake in progress is large and short-lived.
    Hello {
        handshake: alloc::boxed::Box<ClientHandshake>,
        carrier: Carrier,
        suite: usize,
    },
    /// Client: AUTH_PROOF is out.
    Proven {
        established: alloc::boxed::Box<Established>,
        predecessor: bool,
    },
    /// Client: RESUME is out.
    /// `alive`: whether our earlier connection was said to be alive.
    Resuming {
        resume: alloc::boxed::Box<ClientResume>,
        sent: Instant,
        alive: bool,
        /// What was acknowledged when it was made: the answer cannot truthfully lie below.
        acked: u64,
    },
    /// Server: our answer is out; the first packet under these keys confirms it.
    Answered {
        keys: alloc::boxed::Box<Keys>,
        attach: Attach,
    },
}

/// What the two ends said about an attach before it is confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attach {
    /// The position the peer stated.
    pub(super) stated: u64,
    /// Whether `stated` may lie below what is acknowledged, because acknowledgements on the connection
    /// before could overtake it.
    pub(super) may_be_old: bool,
    /// Both said so: a planned swap.
    pub(super) planned: bool,
}

/// A connection that carries the session, or drains.
pub(super) struct Live {
    pub(super) epoch: Epoch,
    pub(super) keys: Keys,
    /// The next position to pack here.
    pub(super) cursor: u64,
    /// The next sequenced frame needs a FROM before it.
    pub(super) from_due: bool,
    /// Nothing was packed here yet: the first packet goes out with or without data.
    pub(super) silent: bool,
    /// A stretch to send again because of a RESYNC: up to the first, then on from the second.
    pub(super) detour: Option<(u64, u64)>,
    pub(super) resync_answered: bool,
    /// The position of the next sequenced frame to arrive here; unknown before FROM.
    pub(super) arriving: Option<u64>,
    pub(super) swap: SwapProgress,
    pub(super) acks: AckPolicy,
    /// The position last said in an ACK here.
    pub(super) acked_to_peer: Option<u64>,
    pub(super) pong: Option<u64>,
    pub(super) ping: PingState,
    pub(super) go_away: Option<(u64, Bytes)>,
    pub(super) closed_due: bool,
    pub(super) resync_due: bool,
    pub(super) liveness: Liveness,
    pub(super) rtt: Rtt,
    pub(super) rate: Rate,
    /// When anything but heartbeats and acknowledgements last went either way.
    pub(super) busy_at: Instant,
    /// Since when something packed here is unacknowledged, counted anew with each acknowledgement.
    pub(super) unacked_since: Option<Instant>,
    /// Whether the peer acknowledged something new here.
    pub(super) progress: bool,
    /// When it counts as stable; `None` once it did.
    pub(super) stable_at: Option<Instant>,
    /// A position packed here and when, for the round-trip time.
    pub(super) timed: Option<(u64, Instant)>,
    /// The highest position the peer stated on this connection.
    pub(super) stated_by_peer: u64,
}

impl Live {
    /// Says RESYNC, once, if the connection before this one took something with it.
    pub(super) fn resync_if_missing(&mut self, expected: u64) {
        if self.swap.gap_open(expected) && !self.swap.resync_said {
            self.swap.resync_said = true;
            self.resync_due = true;
        }
    }
}

/// How far the swap that this connection began has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct SwapProgress {
    pub(super) planned: bool,
    /// Where our side began here; unsettled until acknowledged.
    pub(super) own_from: u64,
    /// Where the peer's side began here.
    pub(super) peer_from: Option<u64>,
    pub(super) ack_seen: bool,
    pub(super) resync_said: bool,
}

impl SwapProgress {
    /// Whether another planned swap may begin.
    pub(super) fn settled(&self, expected: u64, acked: u64) -> bool {
        self.ack_seen && acked >= self.own_from && self.peer_from.is_some_and(|from| expected >= from)
    }

    /// Whether something below the peer's beginning is still missing.
    pub(super) fn gap_open(&self, expected: u64) -> bool {
        self.planned && self.peer_from.is_some_and(|from| expected < from)
    }
}

/// The PING of this connection that waits for its PONG.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PingState {
    pub(super) next_id: u64,
    pub(super) outstanding: Option<(u64, Instant)>,
}

/// Whether this connection has shown that a full packet takes under 250 ms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    since: Option<Instant>,
    acked: u64,
    fast: bool,
}

impl Rate {
    const ENOUGH: Duration = Duration::from_millis(250);

    pub(super) fn is_fast(self) -> bool {
        self.fast
    }

    /// Data was packed.
    pub(super) fn on_committed(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// `bytes` were newly acknowledged; `idle` when nothing is outstanding any more.
    pub(super) fn on_acked(&mut self, now: Instant, bytes: usize, idle: bool) {
        let Some(since) = self.since else { return };
        self.acked = self.acked.saturating_add(bytes as u64);
        let elapsed = now.saturating_since(since).as_nanos();
        let full = MAX_PACKET as u128;
        self.fast |= elapsed.saturating_mul(full) < u128::from(self.acked).saturating_mul(Rate::ENOUGH.as_nanos());
        if idle {
            self.since = None;
            self.acked = 0;
        }
    }
}

/// The last words on a connection whose session is over.
pub(super) struct Parting {
    pub(super) epoch: Epoch,
    pub(super) keys: Keys,
    pub(super) frames: Vec<crate::wire::frame::Frame>,
}
