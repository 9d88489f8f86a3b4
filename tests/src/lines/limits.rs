//! What is demanded.

use std::fmt;

use super::MS;
use super::case::{Case, Company, Reading};
use super::host::BLOCK;
use super::measure::Measured;

/// What can be missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// At least 0.95 of the line's payload share arrives.
    Goodput,
    /// Bytes wait before the link for less than 50 ms or a quarter of the round trip, whichever is more, but for one in twenty.
    Waiting,
    /// An urgent message beside bulk takes half a round trip and 50 ms, a quarter of the round trip, or four segments' time,
    /// whichever is most; one in a hundred may take longer.
    Urgent,
    /// Neither end holds more than it is configured to.
    Memory,
    /// Nobody on a shared line has more than twice of what another has.
    Sharing,
    /// Whoever sends to a reader that does not keep up holds no more than the window that a stream begins with.
    SlowReader,
}

/// The limits that the machine keeps in every case, so that missing one is an error. The others are printed, and come here once they
/// are kept.
pub const KEPT: &[Check] = &[
    Check::Goodput,
    Check::Waiting,
    Check::Urgent,
    Check::Memory,
    Check::SlowReader,
    Check::Sharing,
];

/// A limit that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Which.
    pub check: Check,
    /// What was measured: thousandths, nanoseconds or bytes.
    pub measured: u64,
    /// What it should have been at most, or at least.
    pub limit: u64,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}: {} where {} was promised",
            self.check, self.measured, self.limit
        )
    }
}

/// What is held of the outbox beside the window: urgent messages, and of a block that is sent in part, the rest.
const BESIDE: u64 = (4 << 10) + BLOCK as u64;

/// The longest that bytes may wait before the link, in nanoseconds.
pub(super) fn waiting(case: &Case) -> u64 {
    (50 * MS).max(case.changed().1 / 4)
}

/// The longest that an urgent message may take, in nanoseconds.
pub(super) fn urgent(case: &Case) -> u64 {
    case.changed().1 / 2 + waiting(case).max(case.four_segments())
}

/// What of `measured` is not as it should be.
#[must_use]
pub fn check(case: &Case, measured: &Measured) -> Vec<Miss> {
    let mut misses = Vec::new();
    let mut demand = |check: Check, measured: u64, limit: u64, is_met: bool| {
        if !is_met {
            misses.push(Miss { check, measured, limit });
        }
    };
    let most = |measured: u64, limit: u64| measured <= limit;
    let eager = case.reading == Reading::Eager;
    let alone = case.company == Company::Alone;
    if eager && alone {
        let (got, share) = measured.goodput;
        let part = got * 1_000 / share.max(1);
        demand(Check::Goodput, part, 950, part >= 950);
    }
    if eager && case.company != Company::Stream {
        let waited = measured.waited.most;
        demand(Check::Waiting, waited, waiting(case), most(waited, waiting(case)));
    }
    if eager && alone {
        let took = measured.urgent.most;
        demand(Check::Urgent, took, urgent(case), most(took, urgent(case)));
    }
    if !alone {
        let (least, largest) = (measured.shares.iter().min(), measured.shares.iter().max());
        let part = largest.unwrap_or(&0) * 1_000 / least.unwrap_or(&0).max(&1);
        demand(Check::Sharing, part, 2_000, most(part, 2_000));
    }
    if !eager {
        let (held, limit) = (measured.outbox.1 as u64, case.config().stream_window + BESIDE);
        demand(Check::SlowReader, held, limit, most(held, limit));
    }
    let config = case.config();
    let (outbox, unread) = (measured.outbox.0, measured.unread);
    // Grants and what closes come beyond the outbox's limit, which its documentation says.
    let limit = config.outbox_limit + (64 << 10);
    demand(Check::Memory, outbox as u64, limit as u64, outbox <= limit);
    let limit = case.most_unread();
    demand(Check::Memory, unread as u64, limit as u64, unread <= limit);
    misses
}
