//! How much is on the line of one connection, and how much should be.
//!
//! What a line can hold is its delivery rate times its least round trip. Whatever is sent beyond waits in the buffers of
//! kernels, proxies and modems, where priority counts nothing; what is not sent waits with us, where it does. Both factors
//! are measured from acknowledgements, as BBR does (draft-ietf-ccwg-bbr, sections 4.1 and 5.5): the rate is the
//! highest of recent rounds, and samples are set aside in which the application had not enough to send. This is no
//! congestion control, which is the carrier's affair: nothing here reacts to loss or paces.
//!
//! | phase | what may be on the line | it ends |
//! |---|---|---|
//! | starting | twice what the line is known to hold | when the rate has stopped growing |
//! | cruising | that, and [`standing`] more | when the least round trip has not been seen for long, or none as short as expected is seen any more |
//! | draining | seven eighths; half, once that was too much | with the first round trip that met no queue of ours |

mod rate;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;

use self::rate::HighestRate;
use crate::time::{Duration, Instant};

/// Before the rate is known. What a new TCP connection sends at once is half of it (RFC 6928).
const INITIAL: u64 = 64 << 10;
/// A packet takes so long of the line at most.
const PACKET_TIME: Duration = Duration::from_millis(4);
/// However slow the line is, a packet has so many bytes: its overhead is then under two percent.
const LEAST_PACKET: u64 = 1_400;
/// However slow the line is, a packet may be on its way while the one before it is acknowledged.
const LEAST: u64 = 2_200;
/// Rounds without growth of a quarter that show that the rate has stopped growing (section 5.3.1.2 of the draft).
const FLAT_ROUNDS: u8 = 2;
/// Rounds in a row with growth, which what stands before the line allows, that show that it has become faster.
const GROWN_ROUNDS: u8 = 3;
/// A least round trip that was not seen for so long is looked for again (`ProbeRTTInterval` of the draft), and for so many
/// round trips, since each costs a part of one.
const LEAST_RTT_LASTS: Duration = Duration::from_secs(5);
const LEAST_RTT_ROUNDS: u32 = 20;
/// So long, or a round trip if that is more, no round trip as short as expected is seen: the line is longer or slower than it
/// was.
const INFLATED: Duration = Duration::from_millis(20);
/// Acknowledgements may come in clumps so far apart, and processes stand still for so long, without the line running dry.
const CLUMPS: Duration = Duration::from_millis(6);
/// Records of packets are joined until one has this part of what may be on the line.
const RECORDS: u64 = 64;
/// Records that room is kept for while nothing is on the line.
const KEPT_RECORDS: usize = 8;

/// What one connection's line carries. Everything is forgotten with the connection.
#[derive(Debug)]
pub(crate) struct Flight {
    sent: VecDeque<Sent>,
    in_flight: u64,
    /// Of it, what was sent though there was as much as there should be.
    beyond: u64,
    /// Bytes ever acknowledged here, and when the last of them was.
    delivered: u64,
    delivered_at: Instant,
    /// When the packet was sent that was acknowledged last.
    first_sent: Instant,
    /// Until more than that is delivered, samples show what there was to send and not what the line carries.
    limited_until: Option<u64>,
    rate: HighestRate,
    least: Option<LeastRtt>,
    /// A round is over when something is acknowledged that was sent after it began.
    round_ends: u64,
    /// Since when every round trip is longer than it should be.
    inflated_since: Option<Instant>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
struct LeastRtt {
    rtt: Duration,
    seen: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Starting(Growth),
    Cruising(Growth),
    Draining {
        /// Whether a queue that should not be there was noticed: the rate has to be learned anew.
        inflated: bool,
        /// Whether the least round trip that was seen may be far from the line's own.
        deep: bool,
        /// What it was when this began.
        before: Duration,
        /// Since when no more is on the line than intended.
        settled: Option<Instant>,
    },
}

/// How the rate goes from round to round.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    /// The rate from which growth is counted.
    best: u64,
    /// Rounds in a row without growth, while starting, or with it, while cruising.
    rounds: u8,
}

impl Growth {
    fn has_grown(self, rate: u64, part: u64) -> bool {
        rate >= self.best.saturating_add(self.best / part)
    }
}

/// A packet, or several in a row, and how things stood when the last of them was sent.
#[derive(Debug)]
struct Sent {
    /// The position behind its last frame.
    end: u64,
    bytes: u64,
    at: Instant,
    first_sent: Instant,
    delivered: u64,
    delivered_at: Instant,
    limited: bool,
}

/// What may go on the line now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Headroom {
    /// Nothing that takes part in the account.
    None,
    /// What is more urgent than the rest.
    Urgent,
    /// Anything.
    Open,
}

impl Flight {
    pub(crate) fn new() -> Flight {
        Flight {
            sent: VecDeque::new(),
            in_flight: 0,
            beyond: 0,
            delivered: 0,
            delivered_at: Instant::ZERO,
            first_sent: Instant::ZERO,
            limited_until: None,
            rate: HighestRate::default(),
            least: None,
            round_ends: 0,
            inflated_since: None,
            phase: Phase::Starting(Growth::default()),
        }
    }

    /// The handshake took so long for a round trip. Its packets are small, so that they wait for nothing of ours.
    pub(crate) fn on_handshake(&mut self, now: Instant, rtt: Duration) {
        self.least.get_or_insert(LeastRtt { rtt, seen: now });
    }

    /// A packet of `bytes` was packed whose sequenced frames end before the position `end`.
    pub(crate) fn on_sent(&mut self, now: Instant, end: u64, bytes: usize) {
        let bytes = bytes as u64;
        if self.in_flight == 0 {
            self.first_sent = now;
            self.delivered_at = now;
        }
        if self.headroom() < Headroom::Open {
            self.beyond += bytes;
        }
        self.in_flight += bytes;
        let mut sent = Sent {
            end,
            bytes,
            at: now,
            first_sent: self.first_sent,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            limited: self.limited_until.is_some(),
        };
        let most = self.limit() / RECORDS;
        if let Some(last) = self.sent.back_mut() {
            // What is sent again after a RESYNC lies below what was sent before.
            sent.end = end.max(last.end);
            if last.bytes + bytes <= most {
                sent.bytes += last.bytes;
                *last = sent;
                return;
            }
        }
        self.sent.push_back(sent);
    }

    /// There was nothing more to send, though there was room.
    pub(crate) fn on_starved(&mut self) {
        if self.headroom() == Headroom::Open {
            self.on_held_up();
        }
    }

    /// What is on the line says nothing of it: it is acknowledged when something else has come.
    pub(crate) fn on_held_up(&mut self) {
        self.limited_until = Some(self.delivered + self.in_flight);
    }

    /// The peer has all below `position`. Returns the round trip that this shows.
    pub(crate) fn on_acked(&mut self, now: Instant, position: u64) -> Option<Duration> {
        let mut newest = None;
        while self.sent.front().is_some_and(|sent| sent.end <= position) {
            let Some(sent) = self.sent.pop_front() else { break };
            self.in_flight -= sent.bytes;
            self.beyond = self.beyond.saturating_sub(sent.bytes);
            self.delivered += sent.bytes;
            newest = Some(sent);
        }
        let newest = newest?;
        if self.sent.is_empty() && self.sent.capacity() > KEPT_RECORDS {
            self.sent = VecDeque::new();
        }
        self.delivered_at = now;
        self.first_sent = newest.at;
        self.limited_until.take_if(|until| *until < self.delivered);
        let rtt = now.saturating_since(newest.at);
        self.sample_rtt(now, rtt);
        self.sample_rate(now, &newest, rtt);
        self.drain(now, &newest, rtt);
        if newest.delivered >= self.round_ends {
            self.round_ends = self.delivered;
            self.end_round(now, newest.limited);
        }
        Some(rtt)
    }

    /// Bytes a second that the line is known to carry.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.rate.highest()
    }

    /// Bytes on the line: sent and not acknowledged.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The shortest round trip of late.
    pub(crate) fn least_rtt(&self) -> Option<Duration> {
        self.least.map(|least| least.rtt)
    }

    /// A line that holds everything, for tests of something else.
    #[cfg(test)]
    pub(crate) fn lift(&mut self) {
        self.rate = HighestRate::of(u64::MAX);
        let (rtt, seen) = (Duration::from_secs(1), Instant::ZERO);
        self.least = Some(LeastRtt { rtt, seen });
    }

    pub(crate) fn headroom(&self) -> Headroom {
        let limit = self.limit();
        if self.in_flight < limit {
            Headroom::Open
        } else if self.beyond < limit / 8 + LEAST {
            Headroom::Urgent
        } else {
            Headroom::None
        }
    }

    /// Bytes that should be on the line at most.
    pub(crate) fn limit(&self) -> u64 {
        let (Some(rate), Some(least)) = (self.rate.highest(), self.least) else {
            return INITIAL;
        };
        let rtt = least.rtt;
        match self.phase {
            Phase::Starting(_) if !self.rate.is_full() => carried(rate, rtt * 2).max(INITIAL),
            Phase::Starting(_) => carried(rate, (rtt * 2).max(rtt + CLUMPS)).max(LEAST),
            // In the first round what is missing behind a drain comes at once, which is queue enough.
            Phase::Cruising(growth) if growth.best == 0 => carried(rate, rtt) + LEAST,
            Phase::Cruising(_) => carried(rate, rtt) + carried(rate, standing(rtt)).max(LEAST),
            Phase::Draining { deep: true, .. } => carried(rate, rtt / 2).max(LEAST),
            Phase::Draining { deep: false, .. } => carried(rate, rtt * 7 / 8).max(LEAST),
        }
    }

    /// How long a round trip may be that meets no more of a queue than is intended, where the least is `rtt`.
    fn expected(&self, rtt: Duration) -> Duration {
        // The last packet may be sent when there is room for a byte.
        rtt + standing(rtt).max(self.takes(LEAST)) + PACKET_TIME.max(self.takes(LEAST_PACKET))
    }

    /// How long the line takes for that many bytes.
    fn takes(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.highest().unwrap_or(u64::MAX));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How large a packet should be: it takes a few milliseconds of the line at most, since what is more urgent waits until it
    /// is out. `None`: nothing is known of the line.
    pub(crate) fn packet(&self) -> Option<u64> {
        let rate = self.rate.highest()?;
        Some(carried(rate, PACKET_TIME).max(LEAST_PACKET))
    }

    fn sample_rtt(&mut self, now: Instant, rtt: Duration) {
        let least = match self.least {
            Some(least) if rtt > least.rtt => least,
            _ => *self.least.insert(LeastRtt { rtt, seen: now }),
        };
        // While starting any queue that lasts says that the line is full.
        let is_starting = matches!(self.phase, Phase::Starting(_));
        let longest = if is_starting {
            least.rtt + (self.expected(least.rtt) - least.rtt) / 2
        } else {
            self.expected(least.rtt) + standing(least.rtt) / 2
        };
        if rtt <= longest {
            self.inflated_since = None;
            return;
        }
        let since = *self.inflated_since.get_or_insert(now);
        let may_drain = !is_starting && !matches!(self.phase, Phase::Draining { inflated: true, .. });
        if may_drain && now.saturating_since(since) >= least.rtt.max(INFLATED) {
            self.begin_draining(true, false);
        }
    }

    fn sample_rate(&mut self, now: Instant, newest: &Sent, rtt: Duration) {
        let acknowledging = now.saturating_since(newest.delivered_at);
        let emptying = match self.phase {
            Phase::Draining {
                inflated: true,
                settled: None,
                before,
                ..
            } => rtt > self.expected(before),
            _ => false,
        };
        // The slower of sending and acknowledging: either may happen in clumps (section 4.1.1.4 of the draft). Where nothing is
        // sent until what waits is through, only the latter says how fast that goes.
        let sending = newest.at.saturating_since(newest.first_sent);
        let elapsed = if emptying {
            acknowledging
        } else {
            acknowledging.max(sending)
        };
        // What takes no time by this clock, or less than any round trip, says nothing.
        if elapsed.is_zero() || self.least.is_some_and(|least| elapsed < least.rtt) {
            return;
        }
        let bytes = u128::from(self.delivered - newest.delivered);
        let rate = u64::try_from(bytes * 1_000_000_000 / elapsed.as_nanos()).unwrap_or(u64::MAX);
        if newest.limited {
            self.rate.raise(rate);
        } else if emptying {
            // The line is slower than it was.
            self.rate = HighestRate::of(rate);
        } else {
            self.rate.sample(rate);
        }
    }

    /// A round is over; `limited`: there was not enough to send in it.
    fn end_round(&mut self, now: Instant, limited: bool) {
        if !limited {
            self.rate.end_round();
        }
        let (Some(rate), Some(least)) = (self.rate.highest(), self.least) else {
            return;
        };
        let queued = self
            .inflated_since
            .is_some_and(|since| now.saturating_since(since) >= least.rtt);
        match &mut self.phase {
            Phase::Starting(_) if limited && !self.rate.is_full() => {}
            Phase::Starting(growth) => {
                if growth.has_grown(rate, 16) {
                    *growth = Growth { best: rate, rounds: 0 };
                } else {
                    growth.rounds += 1;
                }
                // Where a queue has been for a whole round the line is full, whatever else holds us up.
                let enough = match (queued, limited) {
                    (true, _) => 1,
                    (false, false) => FLAT_ROUNDS,
                    (false, true) => 2 * FLAT_ROUNDS,
                };
                if growth.rounds >= enough {
                    self.begin_draining(false, false);
                }
            }
            Phase::Cruising(_)
                if now.saturating_since(least.seen) > LEAST_RTT_LASTS.max(least.rtt * LEAST_RTT_ROUNDS) =>
            {
                self.begin_draining(false, false);
            }
            Phase::Cruising(growth) => {
                let grown = growth.best > 0 && growth.has_grown(rate, 16) && !queued;
                let rounds = if grown { growth.rounds + 1 } else { 0 };
                *growth = Growth { best: rate, rounds };
                if rounds >= GROWN_ROUNDS {
                    // The line has become faster.
                    self.phase = Phase::Starting(Growth { best: rate, rounds: 0 });
                }
            }
            Phase::Draining { .. } => {}
        }
    }

    fn begin_draining(&mut self, inflated: bool, deep: bool) {
        self.inflated_since = None;
        self.phase = Phase::Draining {
            inflated,
            deep,
            before: self.least_rtt().unwrap_or_default(),
            settled: None,
        };
    }

    /// While draining: the first round trip of what was sent when no more was on the line than it holds is the line's own.
    fn drain(&mut self, now: Instant, newest: &Sent, rtt: Duration) {
        let limit = self.limit();
        let Phase::Draining {
            inflated,
            before,
            settled,
            ..
        } = &mut self.phase
        else {
            return;
        };
        let (inflated, before) = (*inflated, *before);
        match *settled {
            None if self.in_flight <= limit => *settled = Some(now),
            Some(since) if newest.at >= since => {
                let longer = rtt > self.expected(before);
                if longer && !inflated {
                    // The line became slower or longer meanwhile. Which of them shows once what waits before it is through.
                    return self.begin_draining(true, false);
                }
                self.least = Some(LeastRtt { rtt, seen: now });
                self.inflated_since = None;
                if longer {
                    self.phase = Phase::Starting(Growth::default());
                } else if rtt < before * 15 / 16 {
                    // What was taken for the line's own was a queue in part, and this one may be, too.
                    self.begin_draining(false, true);
                } else {
                    self.phase = Phase::Cruising(Growth::default());
                }
            }
            _ => {}
        }
    }
}

/// What the line carries at `rate` bytes a second in that time.
fn carried(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
}

/// How long what is sent beyond what the line holds may wait, on a line of that round trip: so long may acknowledgements
/// be late, and so much faster may the line become, without it running dry.
fn standing(rtt: Duration) -> Duration {
    (rtt / 8).max(CLUMPS)
}
