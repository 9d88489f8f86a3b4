//! What a line is known to be like, and how that goes from phase to phase.

use super::phase::{CLUMPS, Growth, INITIAL, LEAST, Phase, Why, carried};
use super::rate::HighestRate;
use super::records::Acked;
use super::rivals::Rivals;
use crate::time::{Duration, Instant};

/// A packet takes so long of the line at most.
const PACKET_TIME: Duration = Duration::from_millis(4);
/// However slow the line is, a packet has so many bytes: its overhead is then under two percent.
const LEAST_PACKET: u64 = 1_300;
/// Rounds without growth that show that the rate has stopped growing (section 5.3.1.2 of the draft, which asks for a quarter and
/// three rounds: there the line is probed with more).
const FLAT_ROUNDS: u8 = 2;
/// A rate that is higher by this part than a round trip before, although a queue stood all the while, takes from others.
const TAKEN: u64 = 8;
/// Rounds in a row with growth, which what stands before the line allows, that show that it has become faster.
const GROWN_ROUNDS: u8 = 3;
/// A least round trip that was not seen for so long is looked for again (`ProbeRTTInterval` of the draft), and for so many
/// round trips, since each costs a part of one.
const LEAST_RTT_LASTS: Duration = Duration::from_secs(5);
const LEAST_RTT_ROUNDS: u32 = 25;
/// So long, or a round trip if that is more, no round trip as short as expected is seen: the line is longer or slower than it
/// was.
const INFLATED: Duration = Duration::from_millis(20);

/// One line, as far as it is known.
#[derive(Debug)]
pub(super) struct Line {
    rate: HighestRate,
    least: Option<LeastRtt>,
    /// A round is over when something is acknowledged that was sent after it began: when so much was delivered.
    round_ends: u64,
    /// Since when every round trip is longer than it should be.
    inflated_since: Option<Inflated>,
    /// Nothing shows yet that less than [`INITIAL`] should be on the line: a first sample of the rate, taken on an empty line, is a
    /// fraction of it.
    is_new: bool,
    rivals: Rivals,
    /// The shortest round trip ever.
    shortest: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
struct LeastRtt {
    rtt: Duration,
    seen: Instant,
}

/// The first round trip that was too long.
#[derive(Clone, Copy, Debug)]
struct Inflated {
    at: Instant,
    /// What was known of the rate then.
    rate: u64,
}

impl Line {
    /// A line of which nothing is known, but perhaps its round trip.
    pub(super) fn new(now: Instant, rtt: Option<Duration>) -> Line {
        Line {
            rate: HighestRate::default(),
            least: rtt.map(|rtt| LeastRtt { rtt, seen: now }),
            round_ends: 0,
            inflated_since: None,
            is_new: true,
            rivals: Rivals::default(),
            shortest: Duration::MAX,
            phase: Phase::Starting(Growth::default()),
        }
    }

    /// One that holds everything.
    #[cfg(test)]
    pub(super) fn endless() -> Line {
        Line {
            rate: HighestRate::of(u64::MAX),
            ..Line::new(Instant::ZERO, Some(Duration::from_secs(1)))
        }
    }

    /// Bytes a second that the line is known to carry.
    pub(super) fn rate(&self) -> Option<u64> {
        self.rate.highest()
    }

    /// The shortest round trip of late.
    pub(super) fn least_rtt(&self) -> Option<Duration> {
        self.least.map(|least| least.rtt)
    }

    /// An acknowledgement came; `in_flight` is still on the line.
    pub(super) fn on_acked(&mut self, now: Instant, acked: &Acked, in_flight: u64) {
        self.sample_rtt(now, acked);
        self.sample_rate(acked);
        if let Some(rate) = self.rate.highest() {
            self.rivals.on_rate(rate);
        }
        self.drain(now, acked, in_flight);
        if let Phase::Filling { from, began, .. } = self.phase
            && acked.delivered.1 - began >= from.saturating_mul(2)
        {
            self.phase = Phase::Cruising(Growth::default());
        }
        if acked.delivered.0 >= self.round_ends {
            self.round_ends = acked.delivered.1;
            self.end_round(now, acked.limited);
        }
    }

    /// Bytes that should be on the line at most, now that so many were `delivered` ever.
    pub(super) fn limit(&self, delivered: u64) -> u64 {
        let (Some(rate), Some(least)) = (self.rate.highest(), self.least) else {
            return INITIAL;
        };
        let limit = self.phase.limit((rate, least.rtt), self.beyond(least.rtt), delivered);
        if self.is_new { limit.max(INITIAL) } else { limit }
    }

    /// For how long more may be sent than the line holds, on a line of that round trip.
    fn beyond(&self, rtt: Duration) -> Duration {
        match self.phase {
            // The round trip is in part a queue of others, and twice that would be a longer one. So would twice what that makes.
            Phase::Starting(_) if self.rivals.are_likely() => self.shortest.min(rtt),
            Phase::Starting(_) => rtt,
            _ => return self.standing(rtt),
        }
        .max(CLUMPS)
    }

    /// How long what is sent beyond what the line holds may wait, on a line of that round trip: so long may acknowledgements
    /// be late, and so much faster may the line become, without it running dry. Who is crowded out lets the window of the carrier
    /// decide.
    fn standing(&self, rtt: Duration) -> Duration {
        let is_crowded_out = self.rivals.crowd_out(self.rate.highest().unwrap_or(0));
        let standing = if is_crowded_out { rtt } else { rtt / 8 };
        standing.max(CLUMPS)
    }

    /// How long a round trip may be that meets no more of a queue than is intended, where the least is `rtt`.
    fn expected(&self, rtt: Duration) -> Duration {
        // The last packet may be sent when there is room for a byte.
        rtt + self.standing(rtt).max(self.takes(LEAST)) + PACKET_TIME.max(self.takes(LEAST_PACKET))
    }

    /// How long the line takes for that many bytes.
    fn takes(&self, bytes: u64) -> Duration {
        Duration::from_micros(bytes * 1_000_000 / self.rate.highest().unwrap_or(u64::MAX))
    }

    /// How large a packet should be: it takes a few milliseconds of the line at most, since what is more urgent waits until it
    /// is out. `None`: nothing is known of the line.
    pub(super) fn packet(&self) -> Option<u64> {
        let rate = self.rate.highest()?;
        Some(carried(rate, PACKET_TIME).max(LEAST_PACKET))
    }

    fn sample_rtt(&mut self, now: Instant, acked: &Acked) {
        let rtt = acked.rtt;
        self.shortest = self.shortest.min(rtt);
        let least = match self.least {
            Some(least) if rtt > least.rtt => least,
            _ => *self.least.insert(LeastRtt { rtt, seen: now }),
        };
        let is_starting = matches!(self.phase, Phase::Starting(_));
        let mut longest = self.expected(least.rtt);
        if !is_starting {
            longest += self.standing(least.rtt) / 2;
        }
        if rtt <= longest {
            self.inflated_since = None;
            return;
        }
        let rate = self.rate.highest().unwrap_or(0);
        let since = self.inflated_since.get_or_insert(Inflated { at: now, rate });
        if is_starting && acked.sent >= since.at && rate > since.rate.saturating_add(since.rate / TAKEN) {
            // It is a queue of others, and the line gives us more yet.
            *since = Inflated { at: now, rate };
            return;
        }
        let since = since.at;
        let is_emptying = matches!(self.phase, Phase::Draining { why: Why::Inflated, .. });
        if is_starting && !acked.limited && acked.sent >= since {
            // The line was busy all the while between, so that its rate is known now.
            self.begin_draining(Why::Look);
        } else if !is_starting && !is_emptying && now.saturating_since(since) >= least.rtt.max(INFLATED) {
            self.begin_draining(Why::Inflated);
        }
    }

    fn sample_rate(&mut self, acked: &Acked) {
        let emptying = match self.phase {
            Phase::Draining {
                why: Why::Inflated,
                settled: None,
                before,
                ..
            } => acked.rtt > self.expected(before),
            _ => false,
        };
        // The slower of sending and acknowledging: either may happen in clumps (section 4.1.1.4 of the draft). Where nothing is
        // sent until what waits is through, only the latter says how fast that goes.
        let elapsed = if emptying {
            acked.acknowledging
        } else {
            acked.acknowledging.max(acked.sending)
        };
        // What takes no time by this clock, or less than any round trip, says nothing.
        if elapsed.is_zero() || self.least.is_some_and(|least| elapsed < least.rtt) {
            return;
        }
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let rate = acked.bytes.saturating_mul(1_000_000_000) / nanos;
        if acked.limited {
            self.rate.raise(rate);
        } else if emptying {
            // The line is slower than it was.
            self.rate = HighestRate::of(rate);
        } else {
            self.rate.sample(rate);
            if self.least.is_some_and(|least| acked.rtt > least.rtt * 2 + INFLATED) {
                // The line holds less than is sent at first, by far.
                self.is_new = false;
            }
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
            .is_some_and(|since| now.saturating_since(since.at) >= least.rtt);
        match &mut self.phase {
            Phase::Starting(_) if limited && !self.rate.is_full() => {}
            Phase::Starting(growth) => {
                if growth.has_grown(rate) {
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
                    self.begin_draining(Why::Look);
                }
            }
            Phase::Cruising(_)
                if now.saturating_since(least.seen) > LEAST_RTT_LASTS.max(least.rtt * LEAST_RTT_ROUNDS) =>
            {
                self.begin_draining(Why::Look);
            }
            Phase::Cruising(growth) => {
                let grown = growth.best > 0 && growth.has_grown(rate) && !queued;
                let rounds = if grown { growth.rounds + 1 } else { 0 };
                *growth = Growth { best: rate, rounds };
                if rounds >= GROWN_ROUNDS {
                    // The line has become faster.
                    self.phase = Phase::Starting(Growth { best: rate, rounds: 0 });
                }
            }
            Phase::Draining { .. } | Phase::Filling { .. } => {}
        }
    }

    fn begin_draining(&mut self, why: Why) {
        self.inflated_since = None;
        self.is_new = false;
        self.phase = Phase::Draining {
            why,
            before: self.least_rtt().unwrap_or_default(),
            rate: self.rate.highest().unwrap_or(0),
            settled: None,
        };
    }

    /// While draining: the first round trip of what was sent when no more was on the line than it holds is the line's own.
    fn drain(&mut self, now: Instant, acked: &Acked, in_flight: u64) {
        let (rtt, delivered) = (acked.rtt, acked.delivered.1);
        let limit = self.limit(delivered);
        let Phase::Draining {
            why,
            before,
            rate: known,
            settled,
        } = &mut self.phase
        else {
            return;
        };
        let (why, before, known) = (*why, *before, *known);
        match *settled {
            None if in_flight <= limit => *settled = Some((now, delivered)),
            Some((since, _)) if acked.sent >= since => {
                let longer = rtt > self.expected(before);
                if longer && why != Why::Inflated {
                    // The line became slower or longer meanwhile. Which of them shows once what waits before it is through.
                    return self.begin_draining(Why::Inflated);
                }
                self.least = Some(LeastRtt { rtt, seen: now });
                self.inflated_since = None;
                if longer {
                    self.rivals.on_longer();
                    self.phase = if self.rivals.are_certain() {
                        // To start again and again would let two senders of this kind raise each other's queue without end.
                        Phase::Cruising(Growth::default())
                    } else {
                        Phase::Starting(Growth::default())
                    };
                    return;
                }
                let unusual = why == Why::Inflated || before > self.shortest * 17 / 16;
                self.rivals.on_seen(before, rtt, unusual);
                if rtt < before * 15 / 16 {
                    // What was taken for the line's own was a queue in part, and this one may be, too.
                    self.begin_draining(Why::LookFurther);
                } else {
                    self.phase = Phase::Filling {
                        from: limit,
                        began: delivered,
                        // What passed by itself was no queue of ours, and said nothing of the rate.
                        rate: known.min(self.rate.highest().unwrap_or(0).saturating_mul(3) / 2),
                    };
                }
            }
            _ => {}
        }
    }
}
