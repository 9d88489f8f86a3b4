//! One direction of a simulated byte stream.

use std::collections::VecDeque;
use std::task::Waker;

use unbroken_tests::rng::Rng;

use super::shape::Shape;

/// Never.
pub const NEVER: u64 = u64::MAX;

#[derive(Debug)]
struct Segment {
    at: u64,
    bytes: Vec<u8>,
}

/// See the module. The owner passes the time; nothing here looks at a clock.
#[derive(Debug)]
pub(super) struct Pipe {
    shape: Shape,
    rng: Rng,
    segments: VecDeque<Segment>,
    /// Read of the first segment.
    consumed: usize,
    /// Written and not read.
    held: usize,
    busy_until: u64,
    last_arrival: u64,
    sent: u64,
    cut_at: Option<u64>,
    held_until: u64,
    end_at: Option<u64>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(shape: Shape, rng: Rng) -> Pipe {
        Pipe {
            shape,
            rng,
            segments: VecDeque::new(),
            consumed: 0,
            held: 0,
            busy_until: 0,
            last_arrival: 0,
            sent: 0,
            cut_at: None,
            held_until: 0,
            end_at: None,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn room(&self) -> usize {
        self.shape.buffer.saturating_sub(self.held)
    }

    /// Takes in `bytes`, for which there is room; returns when to look at the reading end.
    pub(super) fn write(&mut self, now: u64, bytes: &[u8]) -> Vec<u64> {
        let cost = (bytes.len() as u64).saturating_mul(1_000_000_000) / self.shape.bandwidth.max(1);
        self.busy_until = self.busy_until.max(now).saturating_add(cost);
        self.held += bytes.len();
        let allowed = self.cut_at.map_or(bytes.len(), |cut| {
            usize::try_from(cut.saturating_sub(self.sent))
                .unwrap_or(usize::MAX)
                .min(bytes.len())
        });
        self.sent += bytes.len() as u64;
        let pieces = self.rng.between(1, self.shape.pieces.max(1));
        let mut rest = &bytes[..allowed];
        let mut times = Vec::new();
        for left in (1..=pieces).rev() {
            let length = match left {
                1 => rest.len(),
                _ => usize::try_from(self.rng.below(rest.len() as u64 + 1)).unwrap_or(0),
            };
            let (piece, behind) = rest.split_at(length);
            rest = behind;
            if !piece.is_empty() {
                times.push(self.enqueue(piece));
            }
        }
        times
    }

    fn enqueue(&mut self, piece: &[u8]) -> u64 {
        let jitter = self.rng.below(self.shape.jitter + 1);
        let at = self
            .busy_until
            .saturating_add(self.shape.latency)
            .saturating_add(jitter);
        let at = at
            .max(self.last_arrival)
            .div_ceil(self.shape.grid.max(1))
            .saturating_mul(self.shape.grid.max(1));
        self.last_arrival = at;
        self.segments.push_back(Segment {
            at,
            bytes: piece.to_vec(),
        });
        at.max(self.held_until)
    }

    /// Moves what has arrived into `buf`: `None` if nothing has, 0 at the end.
    pub(super) fn read(&mut self, now: u64, buf: &mut [u8]) -> Option<usize> {
        if now < self.held_until {
            return None;
        }
        let mut read = 0;
        while read < buf.len() {
            let Some(segment) = self.segments.front().filter(|segment| segment.at <= now) else {
                break;
            };
            let left = &segment.bytes[self.consumed..];
            let take = left.len().min(buf.len() - read);
            buf[read..read + take].copy_from_slice(&left[..take]);
            read += take;
            self.consumed += take;
            if self.consumed == segment.bytes.len() {
                self.segments.pop_front();
                self.consumed = 0;
            }
        }
        self.held -= read;
        match read {
            0 if self.segments.is_empty() && self.end_at.is_some_and(|at| at <= now) => Some(0),
            0 => None,
            read => Some(read),
        }
    }

    /// Whether a read would find something.
    pub(super) fn is_readable(&self, now: u64) -> bool {
        let data = self.segments.front().is_some_and(|segment| segment.at <= now);
        let end = self.segments.is_empty() && self.end_at.is_some_and(|at| at <= now);
        now >= self.held_until && (data || end)
    }

    /// Whether something was written that nobody read.
    pub(super) fn is_unread(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Lets `more` bytes through and then nothing.
    pub(super) fn cut_after(&mut self, more: u64) {
        let at = self.sent.saturating_add(more);
        self.cut_at = Some(self.cut_at.map_or(at, |cut| cut.min(at)));
    }

    /// What is under way is lost.
    pub(super) fn lose(&mut self) {
        self.segments.clear();
        self.consumed = 0;
        self.cut_at = Some(0);
    }

    /// The end comes behind what was written; returns when.
    pub(super) fn finish(&mut self, now: u64) -> u64 {
        let at = self
            .busy_until
            .max(now)
            .saturating_add(self.shape.latency)
            .max(self.last_arrival);
        self.end_at = Some(self.end_at.map_or(at, |known| known.min(at)));
        self.cut_after(0);
        at.max(self.held_until)
    }

    /// Nothing arrives before `until` ([`NEVER`]: for good).
    pub(super) fn hold(&mut self, until: u64) {
        self.held_until = self.held_until.max(until);
    }

    /// Quick from now on; what stands still for good stays so.
    pub(super) fn heal(&mut self, now: u64, shape: Shape) {
        self.shape = shape;
        self.busy_until = self.busy_until.min(now);
        if self.held_until != NEVER {
            self.held_until = self.held_until.min(now);
        }
        // Long queues of a slow time come now.
        self.segments
            .iter_mut()
            .for_each(|segment| segment.at = segment.at.min(now));
        self.last_arrival = self.last_arrival.min(now);
    }

    pub(super) fn latency(&self) -> u64 {
        self.shape.latency
    }
}
