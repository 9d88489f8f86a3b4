//! What belongs to one connection that carries the session. Dropping the value is the whole clean-up; an attach
//! builds a fresh one and no field is ever cleared by hand.

use bytes::Bytes;

use super::arriving::Arriving;
use super::assembly::Assembly;
use super::packet_size::Carried;
use crate::config::SessionConfig;
use crate::durable::Mark;
use crate::id::Epoch;
use crate::liveness::{Liveness, STALL};
use crate::reliability::{AckPolicy, Flight, Headroom, Rtt};
use crate::security::Keys;
use crate::session::ledger::Ledger;
use crate::time::{Duration, Instant};

/// HELLO and CHALLENGE have so many bytes together, at least: that is what crosses in the first round trip. What is longer may take as many times
/// as long.
const HANDSHAKE_BYTES: usize = 133;

/// A connection that carries the session, or drains.
pub(crate) struct ActiveConnection {
    pub(crate) epoch: Epoch,
    pub(crate) keys: Keys,
    /// What has to be kept before anything is packed here (durable sessions).
    pub(crate) after: Mark,
    /// The next position to pack here.
    pub(crate) cursor: u64,
    /// Bytes of the payload of the frame there that were packed here in parts.
    pub(crate) part_offset: usize,
    /// The next sequenced frame needs a FROM before it.
    pub(crate) from_due: bool,
    /// Nothing was packed here yet: the first packet goes out with or without data.
    pub(crate) silent: bool,
    /// The first packet confirms a resume: it is short, so that it soon is across any line.
    pub(crate) confirms: bool,
    /// A stretch to send again because of a RESYNC: up to the first, then on from the second.
    pub(crate) detour: Option<(u64, u64)>,
    pub(crate) resync_answered: bool,
    /// Where the peer's sequenced frames stand here.
    pub(crate) arriving: Arriving,
    /// What has come of a frame that comes in parts.
    pub(crate) assembly: Assembly,
    pub(crate) swap: SwapProgress,
    pub(crate) acks: AckPolicy,
    /// The position last said in an ACK here.
    pub(crate) acked_to_peer: Option<u64>,
    pub(crate) pong: Option<u64>,
    pub(crate) ping: PingState,
    pub(crate) go_away: Option<(u64, Bytes)>,
    pub(crate) closed_due: bool,
    /// Our CLOSE has its position, and nothing follows it: if the peer has closed, too, it acknowledges nothing of what is before, and so must not be
    /// waited for.
    pub(crate) closes: bool,
    pub(crate) resync_due: bool,
    pub(crate) liveness: Liveness,
    /// Since when the host waits for what comes of its probe.
    pub(crate) asked_at: Option<Instant>,
    pub(crate) rtt: Rtt,
    /// This host stood still until then: what was sent before tells nothing of the round trip.
    stalled_until: Instant,
    pub(crate) flight: Flight,
    pub(crate) carried: Carried,
    /// The round trip of the handshake, until the first packet shows how long it may take by that.
    first_rtt: Option<Duration>,
    /// When anything but heartbeats and acknowledgements last went either way.
    pub(crate) busy_at: Instant,
    /// Since when something packed here is unacknowledged, counted anew with each acknowledgement.
    pub(crate) unacked_since: Option<Instant>,
    /// Whether the peer acknowledged something new here.
    pub(crate) progress: bool,
    /// When it counts as stable; `None` once it did.
    pub(crate) stable_at: Option<Instant>,
    /// The highest position the peer stated on this connection.
    pub(crate) stated_by_peer: u64,
    /// The peer has left it: nothing is read or said here any more.
    pub(crate) abandoned: bool,
}

/// What a connection begins with when it comes to carry the session.
pub(crate) struct Start {
    pub(crate) epoch: Epoch,
    pub(crate) keys: Keys,
    pub(crate) after: Mark,
    /// The position that the peer stated in the attach.
    pub(crate) stated: u64,
    /// The first position to pack.
    pub(crate) cursor: u64,
    /// The connection before it goes on delivering.
    pub(crate) planned: bool,
    /// The peer waits for the confirmation of this attach.
    pub(crate) confirms: bool,
    /// The peer has closed: every connection has to repeat CLOSED.
    pub(crate) owes_closed: bool,
    /// Our CLOSE has its position.
    pub(crate) closes: bool,
    pub(crate) liveness: Liveness,
    /// The round trip of the handshake, where the first packet behind it may be long.
    pub(crate) first_rtt: Option<Duration>,
    /// A quarter of what the peer's outbox holds: more must not wait for its acknowledgement.
    pub(crate) ack_bytes: usize,
    /// How long it must stay up to count as stable; `None` on the accepting side, which never dials.
    pub(crate) stable_after: Option<Duration>,
}

impl ActiveConnection {
    pub(crate) fn new(now: Instant, config: &SessionConfig, start: Start) -> ActiveConnection {
        let mut acks = AckPolicy::new(config.ack_delay, start.ack_bytes);
        // The position just stated may be old by now, and the peer begins its replay from it.
        acks.at_once();
        ActiveConnection {
            epoch: start.epoch,
            keys: start.keys,
            after: start.after,
            cursor: start.cursor,
            part_offset: 0,
            from_due: true,
            silent: true,
            confirms: start.confirms,
            detour: None,
            resync_answered: false,
            arriving: Arriving::default(),
            assembly: Assembly::default(),
            swap: SwapProgress {
                planned: start.planned,
                own_from: start.cursor,
                peer_from: None,
                ack_seen: false,
                resync_said: false,
            },
            acks,
            acked_to_peer: None,
            pong: None,
            ping: PingState::default(),
            go_away: None,
            closed_due: start.owes_closed,
            closes: start.closes,
            resync_due: false,
            liveness: start.liveness,
            asked_at: None,
            rtt: Rtt::default(),
            stalled_until: now,
            flight: Flight::default(),
            carried: Carried::default(),
            first_rtt: start.first_rtt,
            busy_at: now,
            unacked_since: None,
            progress: false,
            stable_at: start.stable_after.map(|wait| now + wait),
            stated_by_peer: start.stated,
            abandoned: false,
        }
    }

    /// Says RESYNC, once, if the connection before this one took something with it.
    pub(crate) fn resync_if_missing(&mut self, expected: u64) {
        if self.swap.gap_open(expected) && !self.swap.resync_said {
            self.swap.resync_said = true;
            self.resync_due = true;
        }
    }

    /// Whether it stayed up long enough for the backoff to start afresh.
    pub(crate) fn is_stable(&self) -> bool {
        self.stable_at.is_none()
    }

    /// When it counts as stable: not before something was acknowledged, if anything waits for that.
    pub(crate) fn stable_deadline(&self) -> Option<Instant> {
        self.stable_at.filter(|_| self.progress || self.unacked_since.is_none())
    }

    /// What was acknowledged is gone: a cursor below it goes on from there.
    pub(crate) fn skip_acknowledged(&mut self, acked: u64) {
        if let Some((_, resume)) = self.detour.take_if(|(until, _)| self.cursor.max(acked) >= *until) {
            self.go_on_from(resume);
        }
        if self.cursor < acked {
            self.go_on_from(acked);
        }
    }

    /// The next sequenced frame is that one, and a FROM says so.
    pub(crate) fn go_on_from(&mut self, position: u64) {
        self.cursor = position;
        self.part_offset = 0;
        self.from_due = true;
    }

    /// The position behind what was packed here, in whole or in part.
    pub(crate) fn packed_until(&self) -> u64 {
        self.cursor + u64::from(self.part_offset > 0)
    }

    /// Whether frames that have their positions are to be sent here, and may.
    pub(crate) fn owes(&self, ledger: &Ledger) -> bool {
        self.cursor.max(ledger.acked()) < ledger.sendable() && self.headroom() == Headroom::Open
    }

    /// What may go on the line. What is missing after a RESYNC may always, and the rest of a frame that goes in parts: until it is there,
    /// nothing behind it is acknowledged. So may all that comes before our CLOSE.
    pub(crate) fn headroom(&self) -> Headroom {
        if self.detour.is_some() || self.part_offset > 0 {
            return Headroom::Open;
        }
        if self.closes {
            return Headroom::Open;
        }
        self.flight.headroom()
    }

    /// Whether it has something of its own to say: what is said once, a reply, a probe, an acknowledgement that is due.
    pub(crate) fn wants_control(&self) -> bool {
        self.wants_reply()
            || self.silent
            || self.resync_due
            || self.closed_due
            || self.go_away.is_some()
            || self.acks.due()
    }

    /// Whether it has a reply or a probe to send, which goes on a draining connection too.
    pub(crate) fn wants_reply(&self) -> bool {
        self.pong.is_some() || self.liveness.wants_ping()
    }

    /// A packet of `bytes` was packed with sequenced frames in it, the last of them at the position before the cursor, or in part at the
    /// cursor. `last`: there is nothing more to send.
    pub(crate) fn on_packed(&mut self, now: Instant, bytes: usize, last: bool) {
        let end = self.packed_until();
        if let Some(rtt) = self.first_rtt.take() {
            let times = u32::try_from(bytes / HANDSHAKE_BYTES).unwrap_or(u32::MAX);
            self.liveness.expect_crossing(rtt.saturating_mul(times));
        }
        self.liveness.on_data_committed(now);
        self.flight.on_sent(now, (end, bytes), last, self.rtt.srtt());
        self.carried.on_sent(end, bytes);
        self.busy_at = now;
        self.unacked_since.get_or_insert(now);
    }

    /// The peer acknowledged something new: all below `position`. The length of a packet that was longer than any before it, and arrived.
    pub(crate) fn on_acked(&mut self, now: Instant, position: u64) -> Option<u16> {
        let all = position >= self.packed_until();
        self.progress = true;
        self.unacked_since = (!all).then_some(now);
        if let Some(rtt) = self.flight.on_acked(now, position) {
            self.sample_rtt(now, rtt);
        }
        self.carried.on_acked(position)
    }

    /// A round trip that ends now took so long.
    pub(crate) fn sample_rtt(&mut self, now: Instant, rtt: Duration) {
        if now.saturating_since(self.stalled_until) >= rtt {
            self.rtt.sample(rtt);
        }
    }

    /// To be told of each packet and timeout, before anything else: a deadline that passed long ago shows that this host stood still.
    pub(crate) fn notice_stall(&mut self, now: Instant) {
        if now.saturating_since(self.liveness.deadline(self.rtt.srtt())) > STALL {
            self.stalled_until = now;
        }
    }
}

/// How far the swap that this connection began has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwapProgress {
    pub(crate) planned: bool,
    /// Where our side began here; unsettled until acknowledged.
    pub(crate) own_from: u64,
    /// Where the peer's side began here.
    pub(crate) peer_from: Option<u64>,
    pub(crate) ack_seen: bool,
    pub(crate) resync_said: bool,
}

impl SwapProgress {
    /// Whether another planned swap may begin.
    pub(crate) fn settled(&self, expected: u64, acked: u64) -> bool {
        self.ack_seen && acked >= self.own_from && self.peer_from.is_some_and(|from| expected >= from)
    }

    /// Whether both sides have all that the connection before carried.
    pub(crate) fn is_over(&self, expected: u64, acked: u64) -> bool {
        self.peer_from.is_some_and(|from| expected >= from) && acked >= self.own_from
    }

    /// Whether something below the peer's beginning is still missing.
    pub(crate) fn gap_open(&self, expected: u64) -> bool {
        self.planned && self.peer_from.is_some_and(|from| expected < from)
    }
}

/// The PING of this connection that waits for its PONG.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PingState {
    pub(crate) next_id: u64,
    pub(crate) outstanding: Option<(u64, Instant)>,
}
