//! One direction of a simulated ordered carrier.

use std::collections::VecDeque;

use super::options::{CarrierShape, Gateway};
use crate::rng::Rng;

/// Never.
pub const NEVER: u64 = u64::MAX;

/// What comes out of a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes: a whole packet on a packet carrier, any stretch on a byte stream.
    Bytes(Vec<u8>),
    /// The other end closed, or the network said so.
    Closed,
}

#[derive(Clone, Debug)]
struct Segment {
    at: u64,
    bytes: Vec<u8>,
}

/// See the module. The owner passes the time; nothing here looks at a clock.
#[derive(Clone, Debug)]
pub struct Pipe {
    shape: CarrierShape,
    packets: bool,
    rng: Rng,
    segments: VecDeque<Segment>,
    backlog: VecDeque<(u64, usize)>,
    queued: usize,
    busy_until: u64,
    last_arrival: u64,
    sent: u64,
    cut_at: Option<u64>,
    held_until: u64,
    closed_at: Option<u64>,
    corrupt: bool,
    /// A packet was too long for the gateway, and nothing more goes through.
    blocked: bool,
    /// The arrival that is on the agenda.
    announced: Option<u64>,
}

impl Pipe {
    /// An empty one. `packets`: what is written as one comes out as one.
    #[must_use]
    pub fn new(shape: CarrierShape, packets: bool, rng: Rng) -> Pipe {
        Pipe {
            shape,
            packets,
            rng,
            segments: VecDeque::new(),
            backlog: VecDeque::new(),
            queued: 0,
            busy_until: 0,
            last_arrival: 0,
            sent: 0,
            cut_at: None,
            held_until: 0,
            closed_at: None,
            corrupt: false,
            blocked: false,
            announced: None,
        }
    }

    /// Whether the sending side may write now.
    pub fn has_room(&mut self, now: u64) -> bool {
        while self.backlog.front().is_some_and(|(depart, _)| *depart <= now) {
            if let Some((_, len)) = self.backlog.pop_front() {
                self.queued -= len;
            }
        }
        self.queued < self.shape.buffer
    }

    /// What stands on the way.
    #[must_use]
    pub fn gateway(&self) -> Option<Gateway> {
        self.shape.gateway
    }

    /// When there will be room, if there is none now.
    #[must_use]
    pub fn room_at(&self) -> Option<u64> {
        self.backlog
            .front()
            .map(|(depart, _)| *depart)
            .filter(|at| *at != NEVER)
    }

    /// Takes `bytes` in.
    pub fn write(&mut self, now: u64, bytes: &[u8]) {
        let cost = (bytes.len() as u64).saturating_mul(1_000_000_000) / self.shape.bandwidth.max(1);
        let depart = self.busy_until.max(now).max(self.held_until).saturating_add(cost);
        self.busy_until = depart;
        self.backlog.push_back((depart, bytes.len()));
        self.queued += bytes.len();
        let allowed = match self.cut_at {
            Some(cut) => usize::try_from(cut.saturating_sub(self.sent))
                .unwrap_or(usize::MAX)
                .min(bytes.len()),
            None => bytes.len(),
        };
        self.sent += bytes.len() as u64;
        let mut passing = bytes[..allowed].to_vec();
        if passing.is_empty() || self.packets && allowed < bytes.len() {
            return;
        }
        if std::mem::take(&mut self.corrupt) {
            let index = usize::try_from(self.rng.below(passing.len() as u64)).unwrap_or(0);
            let bit = self.rng.below(8);
            passing[index] ^= 1 << bit;
        }
        self.enqueue(depart, passing);
    }

    /// Takes one packet in, as it is framed. False, and nothing comes out any more: it was the first that is too long for the gateway.
    pub fn write_packet(&mut self, now: u64, framed: &[u8]) -> bool {
        let prefix = if self.packets { 0 } else { 2 };
        let fits = self
            .shape
            .gateway
            .is_none_or(|gateway| framed.len() <= gateway.longest + prefix);
        let stops = !fits && !self.blocked;
        self.blocked |= stops;
        if stops {
            self.cut_after(0);
        }
        self.write(now, framed);
        !stops
    }

    fn enqueue(&mut self, depart: u64, bytes: Vec<u8>) {
        let pieces = if self.packets { 1 } else { self.shape.pieces.max(1) };
        let mut rest = bytes.as_slice();
        for left in (1..=pieces).rev() {
            let len = if left == 1 {
                rest.len()
            } else {
                usize::try_from(self.rng.below(rest.len() as u64 + 1)).unwrap_or(0)
            };
            let (head, tail) = rest.split_at(len);
            rest = tail;
            if !head.is_empty() {
                let jitter = self.rng.below(self.shape.jitter + 1);
                let at = depart
                    .saturating_add(self.shape.latency)
                    .saturating_add(jitter)
                    .max(self.last_arrival);
                self.last_arrival = at;
                self.segments.push_back(Segment {
                    at,
                    bytes: head.to_vec(),
                });
            }
        }
    }

    /// The next thing due, if any. On a byte stream everything due comes as one stretch.
    pub fn pop(&mut self, now: u64) -> Option<Arrival> {
        self.announced = None;
        if now < self.held_until {
            return None;
        }
        if self.segments.front().is_some_and(|segment| segment.at <= now) {
            let mut bytes = self
                .segments
                .pop_front()
                .map(|segment| segment.bytes)
                .unwrap_or_default();
            while !self.packets && self.segments.front().is_some_and(|segment| segment.at <= now) {
                bytes.extend(
                    self.segments
                        .pop_front()
                        .map(|segment| segment.bytes)
                        .unwrap_or_default(),
                );
            }
            return Some(Arrival::Bytes(bytes));
        }
        if self.segments.is_empty() && self.closed_at.is_some_and(|at| at <= now) {
            self.closed_at = None;
            return Some(Arrival::Closed);
        }
        None
    }

    /// When `pop` will have something.
    #[must_use]
    pub fn next_arrival(&self) -> Option<u64> {
        let at = self.segments.front().map(|segment| segment.at).or(self.closed_at)?;
        Some(at.max(self.held_until)).filter(|at| *at != NEVER)
    }

    /// The next arrival, if it is not on the agenda yet; then it is.
    pub fn announce(&mut self) -> Option<u64> {
        let at = self.next_arrival()?;
        (self.announced.replace(at) != Some(at)).then_some(at)
    }

    /// Lets `more` bytes through and then nothing.
    pub fn cut_after(&mut self, more: u64) {
        let at = self.sent.saturating_add(more);
        self.cut_at = Some(self.cut_at.map_or(at, |cut| cut.min(at)));
    }

    /// Forgets what is in flight and lets nothing more in.
    pub fn drop_all(&mut self) {
        self.segments.clear();
        self.cut_at = Some(0);
    }

    /// The receiving end hears at `at`, or behind what is in flight, that it is over.
    pub fn close_at(&mut self, at: u64) {
        let at = at.max(self.last_arrival);
        self.closed_at = Some(self.closed_at.map_or(at, |known| known.min(at)));
    }

    /// The writing end closes: what it wrote still arrives, then its end does.
    pub fn finish(&mut self, now: u64) {
        self.close_at(self.busy_until.max(now).saturating_add(self.shape.latency));
        self.cut_after(0);
    }

    /// Nothing moves before `until` ([`NEVER`]: for good).
    pub fn hold(&mut self, until: u64) {
        self.held_until = self.held_until.max(until);
        for (depart, _) in &mut self.backlog {
            *depart = (*depart).max(until);
        }
    }

    /// One bit of the next write will change on its way.
    pub fn corrupt_next(&mut self) {
        self.corrupt = true;
    }

    /// `bytes` come out that nobody wrote.
    pub fn inject(&mut self, now: u64, bytes: Vec<u8>) {
        self.enqueue(now, bytes);
    }

    /// What was put in last and is still in flight comes again.
    pub fn duplicate_last(&mut self) -> bool {
        let Some(last) = self.segments.back().cloned() else {
            return false;
        };
        self.segments.push_back(last);
        true
    }

    /// From now on the carrier is quick and roomy, for the phase in which all must arrive.
    pub fn heal(&mut self, shape: CarrierShape) {
        let gateway = self.shape.gateway;
        self.shape = CarrierShape { gateway, ..shape };
        self.corrupt = false;
    }

    /// Bytes written so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }
}
