//! A connection before it carries the session, and one after the session is over.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::durable::Mark;
use crate::id::{Carrier, Epoch};
use crate::security::{ClientHandshake, ClientResume, Established, Keys};
use crate::time::{Duration, Instant};
use crate::wire::FrameWriter;
use crate::wire::frame::Frame;
use crate::wire::packet::PacketType;

/// A connection that has not proven itself yet.
pub(crate) struct Candidate {
    pub(crate) epoch: Epoch,
    /// The handshake packet to send next.
    pub(crate) outgoing: Option<Vec<u8>>,
    /// What has to be kept before (durable sessions).
    pub(crate) after: Mark,
    /// When the handshake must be over.
    pub(crate) deadline: Instant,
    pub(crate) stage: Stage,
    pub(crate) timing: Timing,
}

impl Candidate {
    /// Appends the packet that is to be sent, if there is one.
    pub(crate) fn transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let Some(packet) = self.outgoing.take() else {
            return false;
        };
        self.timing.on_sent(now);
        buf.extend_from_slice(&packet);
        true
    }
}

/// What the handshake tells of the round trip.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    /// When the packet was sent that waits for its answer; until it is, since when it waits to be sent.
    since: Option<Instant>,
    /// How long the first answer took. Later ones may wait for a host that decides about its client.
    first: Option<Duration>,
}

impl Timing {
    pub(crate) fn begun(now: Instant) -> Timing {
        Timing {
            since: Some(now),
            first: None,
        }
    }

    pub(crate) fn on_sent(&mut self, now: Instant) {
        self.since = Some(now);
    }

    pub(crate) fn on_answered(&mut self, now: Instant) {
        let took = self.since.replace(now).map(|sent| now.saturating_since(sent));
        self.first = self.first.or(took);
    }

    /// Since when the next step is waited for.
    pub(crate) fn waiting_since(self) -> Option<Instant> {
        self.since
    }

    /// The round trip, if there was one.
    pub(crate) fn rtt(self) -> Option<Duration> {
        self.first
    }
}

/// How far a candidate's proof has come.
pub(crate) enum Stage {
    /// Client: HELLO is out. Boxed: a handshake in progress is large and short-lived.
    Hello {
        handshake: Box<ClientHandshake>,
        carrier: Carrier,
        suite: usize,
    },
    /// Client: AUTH_PROOF is out.
    Proven {
        established: Box<Established>,
        predecessor: bool,
    },
    /// Client: RESUME is out.
    /// `alive`: whether our earlier connection was said to be alive.
    Resuming {
        resume: Box<ClientResume>,
        alive: bool,
        /// What was acknowledged when it was made: the answer cannot truthfully lie below.
        acked: u64,
    },
    /// Server: our answer is out; the first packet under these keys confirms it.
    Answered { keys: Box<Keys>, attach: Attach },
}

/// What the two ends said about an attach before it is confirmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attach {
    /// The position the peer stated.
    pub(crate) stated: u64,
    /// Whether `stated` may lie below what is acknowledged, because acknowledgements on the connection
    /// before could overtake it.
    pub(crate) may_be_old: bool,
    /// Both said so: a planned swap.
    pub(crate) planned: bool,
}

impl Attach {
    /// What a full handshake says: the peer has no connection, so that its position is its last.
    pub(crate) fn of_handshake(stated: u64) -> Attach {
        Attach {
            stated,
            may_be_old: false,
            planned: false,
        }
    }
}

/// The last packet on a connection whose session is over.
pub(crate) struct Parting {
    pub(crate) epoch: Epoch,
    pub(crate) keys: Keys,
    pub(crate) frames: Vec<Frame>,
    /// What has to be kept before (durable sessions).
    pub(crate) after: Mark,
}

impl Parting {
    /// Appends the packet; `false` if the key is exhausted.
    pub(crate) fn pack(mut self, buf: &mut Vec<u8>) -> bool {
        let start = buf.len();
        buf.push(PacketType::Sealed.byte());
        let sealed_from = buf.len();
        let mut writer = FrameWriter::new(buf);
        self.frames.iter().for_each(|frame| writer.push(frame));
        writer.finish();
        let sealed = self.keys.sealer.seal(buf, sealed_from).is_ok();
        if !sealed {
            buf.truncate(start);
        }
        sealed
    }
}
