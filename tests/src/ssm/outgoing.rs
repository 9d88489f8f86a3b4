//! What an end has sent and not seen acknowledged.

use std::collections::VecDeque;

use bytes::Bytes;
use unbroken_proto::{Duration, Instant};

use crate::rng::Rng;
use crate::ssm::timing::{Rto, micros};

/// What becomes of a frame for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The oldest one is discarded, and can never be recovered: the plugin.
    DiscardsOldest,
    /// The new one was sent once and is not stored: the agent.
    DoesNotStore,
}

/// One frame.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its number.
    pub number: i64,
    /// The message, to be sent again as it is.
    pub message: Bytes,
    /// LastSentTime: what round trips are measured from.
    pub last_sent: Instant,
    /// How often it was sent again.
    pub resends: u32,
}

/// Frames in the order in which they were recorded. A frame is recorded a little after it was written to the socket, and an
/// acknowledgement that comes before that finds nothing.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Written, and recorded when the time comes.
    written: VecDeque<Sent>,
    recorded: VecDeque<Sent>,
    capacity: usize,
    full: Full,
    record_delay: (u64, u64),
    rto: Rto,
    /// Acknowledgements of no recorded frame.
    pub unmatched: u64,
    /// Frames discarded or not stored.
    pub forgotten: u64,
}

impl Outgoing {
    /// Empty. Between writing and recording a frame pass as many microseconds as `record_delay` says, from and to.
    #[must_use]
    pub fn new(capacity: usize, full: Full, record_delay: (u64, u64)) -> Outgoing {
        Outgoing {
            written: VecDeque::new(),
            recorded: VecDeque::new(),
            capacity,
            full,
            record_delay,
            rto: Rto::default(),
            unmatched: 0,
            forgotten: 0,
        }
    }

    /// The frame was written now.
    pub fn sent(&mut self, now: Instant, number: i64, message: Bytes, rng: &mut Rng) {
        let (low, high) = self.record_delay;
        // Once in some thousand frames the program is interrupted between the two.
        let delay = if high > 0 && rng.below(4_000) == 0 {
            Duration::from_micros(500)
        } else {
            micros(rng, low, high)
        };
        let after = self.written.back().map_or(now, |last| last.last_sent.max(now));
        self.written.push_back(Sent {
            number,
            message,
            last_sent: after.max(now + delay),
            resends: 0,
        });
        self.record(now);
    }

    /// The frame could not be written, and is stored all the same.
    pub fn stored(&mut self, now: Instant, number: i64, message: Bytes) {
        self.written.push_back(Sent {
            number,
            message,
            last_sent: now,
            resends: 0,
        });
        self.record(now);
    }

    /// Records what is due.
    fn record(&mut self, now: Instant) {
        while self.written.front().is_some_and(|sent| sent.last_sent <= now) {
            let Some(sent) = self.written.pop_front() else { return };
            if self.recorded.len() >= self.capacity {
                self.forgotten += 1;
                match self.full {
                    Full::DiscardsOldest => drop(self.recorded.pop_front()),
                    Full::DoesNotStore => continue,
                }
            }
            self.recorded.push_back(sent);
        }
    }

    /// An acknowledgement of this number has come.
    pub fn acknowledged(&mut self, now: Instant, number: i64) {
        self.record(now);
        let place = self.recorded.iter().position(|sent| sent.number == number);
        match place.and_then(|place| self.recorded.remove(place)) {
            Some(sent) => self.rto.sample(now.saturating_since(sent.last_sent)),
            None => self.unmatched += 1,
        }
    }

    /// The oldest frame, if its timeout is over.
    pub fn overdue(&mut self, now: Instant) -> Option<&mut Sent> {
        self.record(now);
        let timeout = self.rto.timeout();
        let head = self.recorded.front_mut()?;
        (now.saturating_since(head.last_sent) > timeout).then_some(head)
    }

    /// Frames that are not acknowledged, those not recorded yet too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recorded.len() + self.written.len()
    }

    /// Whether everything is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the oldest frame.
    #[must_use]
    pub fn head(&self) -> Option<i64> {
        self.recorded.front().or(self.written.front()).map(|sent| sent.number)
    }

    /// Bytes of the messages that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.recorded
            .iter()
            .chain(&self.written)
            .map(|sent| sent.message.len())
            .sum()
    }

    /// The retransmission timeout now.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.rto.timeout()
    }
}
