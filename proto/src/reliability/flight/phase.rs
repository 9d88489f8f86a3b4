//! The phases of a line, and what may be on it in each.
//!
//! | phase | what may be on the line | it ends |
//! |---|---|---|
//! | starting | twice what the line is known to hold, less beside others, [`INITIAL`] at least while the line is new | when the rate has stopped growing, also where a queue lasts |
//! | cruising | what it holds, and what may stand before it | when the least round trip has not been seen for long, none as short as expected is seen any more, or the rate grows |
//! | draining | seven eighths of what it holds, of that less and less to look; half, once that was too much | with the first round trip that met no queue of ours |
//! | filling | from that up to what cruising has, by what is acknowledged, so that it does not come at once; a little more where the rate fell meanwhile, since that may have been a mere delay | when twice as much as was on the line is acknowledged |

use crate::time::{Duration, Instant};

/// Before the rate is known. A new TCP connection sends a quarter of it at once (RFC 6928), and waits for the rest itself.
pub(super) const INITIAL: u64 = 64 << 10;
/// However slow the line is, a packet may be on its way while the one before it is acknowledged.
pub(super) const LEAST: u64 = 2_200;
/// A rate that is higher by this part has grown. Less may be chance.
const GROWTH: u64 = 16;
/// Acknowledgements may come in clumps so far apart, and processes stand still for so long, without the line running dry.
pub(super) const CLUMPS: Duration = Duration::from_millis(6);

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Starting(Growth),
    Cruising(Growth),
    Draining {
        why: Why,
        /// The least round trip, and the rate, that were known when this began.
        before: Duration,
        rate: u64,
        /// Since when no more is on the line than intended, and what had been delivered then.
        settled: Option<(Instant, u64)>,
    },
    Filling {
        /// What was allowed on the line when this began, and what had been delivered.
        from: u64,
        began: u64,
        /// The rate that is tried.
        rate: u64,
    },
}

/// What a drain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// To see the least round trip, which was not seen for long, or only while the line was being filled.
    Look,
    /// To see it though what was taken for it was a queue in part.
    LookFurther,
    /// No round trip is as short as it should be: the line is slower, and its rate to be learned anew, or it is longer.
    Inflated,
}

/// How the rate goes from round to round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    /// The rate from which growth is counted.
    pub(super) best: u64,
    /// Rounds in a row without growth, while starting, or with it, while cruising.
    pub(super) rounds: u8,
}

impl Growth {
    pub(super) fn has_grown(self, rate: u64) -> bool {
        rate >= self.best.saturating_add(self.best / GROWTH)
    }
}

impl Phase {
    /// Bytes that should be on a line of that `rate` and round trip at most, where so many were `delivered` ever. `beyond`: for so long
    /// more may be sent than the line holds.
    pub(super) fn limit(&self, (rate, rtt): (u64, Duration), beyond: Duration, delivered: u64) -> u64 {
        match *self {
            Phase::Starting(_) => carried(rate, rtt + beyond).max(LEAST),
            Phase::Cruising(_) => full(rate, rtt, beyond),
            Phase::Filling {
                from,
                began,
                rate: tried,
            } => {
                let missing = full(rate.max(tried), rtt, beyond).saturating_sub(from);
                from + missing.saturating_mul((delivered - began).min(from)) / from.max(1)
            }
            Phase::Draining {
                why: Why::LookFurther, ..
            } => carried(rate, rtt / 2).max(LEAST),
            Phase::Draining {
                why: Why::Look,
                settled,
                ..
            } => {
                // First what waits before the line goes, and then what is on it becomes less evenly, so that there is no gap in it.
                let whole = carried(rate, rtt);
                let since = settled.map_or(0, |(_, began)| delivered - began);
                (whole - since.min(whole) / 8).max(LEAST)
            }
            Phase::Draining { .. } => carried(rate, rtt * 7 / 8).max(LEAST),
        }
    }
}

/// What the line carries at `rate` bytes a second in that time, to the microsecond: this is asked for every packet.
pub(super) fn carried(rate: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    rate.saturating_mul(micros) / 1_000_000
}

/// What should be on a line of which rate and round trip are known.
fn full(rate: u64, rtt: Duration, beyond: Duration) -> u64 {
    carried(rate, rtt) + carried(rate, beyond).max(LEAST)
}
