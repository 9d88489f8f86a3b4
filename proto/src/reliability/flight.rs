//! How much is on the line of one connection, and how much should be.
//!
//! What a line can hold is its delivery rate times its least round trip. Whatever is sent beyond waits in the buffers of
//! kernels, proxies and modems, where priority counts nothing; what is not sent waits with us, where it does. Both factors
//! are measured from acknowledgements, as BBR does (draft-ietf-ccwg-bbr, sections 4.1 and 5.5): the rate is the
//! highest of recent rounds, and samples are set aside in which the application had not enough to send. This is no
//! congestion control, which is the carrier's affair: nothing here reacts to loss or paces.
//!
//! | file | owns |
//! |---|---|
//! | `records` | what was sent and is not acknowledged, and the samples that acknowledgements give |
//! | `rate` | the highest rate of late |
//! | `rivals` | whether others fill the queue before it |
//! | `line` | what the line is known to be like, and how that goes from phase to phase |
//! | `phase` | what may be on it in each |

mod line;
mod phase;
mod rate;
mod records;
mod rivals;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;

use self::line::Line;
use self::phase::{INITIAL, LEAST};
use self::records::Records;
use crate::time::{Duration, Instant};

/// What one connection has on its line. Everything is forgotten with the connection. Nothing is kept before anything
/// was sent, so that a connection that says little costs little.
#[derive(Debug, Default)]
pub(crate) struct Flight(Option<Box<Measured>>);

#[derive(Debug)]
struct Measured {
    records: Records,
    line: Line,
    /// Bytes that should be on the line at most, as of the last acknowledgement.
    limit: u64,
    /// What was sent though there was as much on the line as there should be, since there was less.
    beyond: u64,
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

impl Measured {
    fn headroom(&self) -> Headroom {
        let limit = self.limit;
        if self.records.in_flight() < limit {
            Headroom::Open
        } else if self.beyond < limit / 8 + LEAST {
            Headroom::Urgent
        } else {
            Headroom::None
        }
    }
}

impl Flight {
    /// A packet of `bytes` was packed whose sequenced frames end before the position `end`. `last`: there is nothing more to send.
    /// `rtt`: what the handshake told of the round trip; its packets are small, so that they waited for nothing of ours.
    pub(crate) fn on_sent(&mut self, now: Instant, (end, bytes): (u64, usize), last: bool, rtt: Option<Duration>) {
        let bytes = bytes as u64;
        let measured = self.0.get_or_insert_with(|| {
            Box::new(Measured {
                records: Records::default(),
                line: Line::new(now, rtt),
                limit: INITIAL,
                beyond: 0,
            })
        });
        if measured.headroom() < Headroom::Open {
            measured.beyond += bytes;
        }
        measured.records.on_sent(now, (end, bytes), measured.limit, last);
    }

    /// There is nothing to send.
    pub(crate) fn on_starved(&mut self) {
        if let Some(measured) = self.0.as_mut().filter(|measured| measured.headroom() == Headroom::Open) {
            measured.records.starve();
        }
    }

    /// What is on the line says nothing of it: it is acknowledged when something else has come.
    pub(crate) fn on_held_up(&mut self) {
        if let Some(measured) = &mut self.0 {
            measured.records.hold_up();
        }
    }

    /// The peer has all below `position`. Returns the round trip that this shows.
    pub(crate) fn on_acked(&mut self, now: Instant, position: u64) -> Option<Duration> {
        let measured = self.0.as_mut()?;
        let acked = measured.records.on_acked(now, position)?;
        let in_flight = measured.records.in_flight();
        measured.line.on_acked(now, &acked, in_flight);
        measured.limit = measured.line.limit(acked.delivered.1);
        if in_flight < measured.limit {
            measured.beyond = 0;
        }
        Some(acked.rtt)
    }

    pub(crate) fn headroom(&self) -> Headroom {
        self.0.as_ref().map_or(Headroom::Open, |measured| measured.headroom())
    }

    /// Bytes that should be on the line at most.
    pub(crate) fn limit(&self) -> u64 {
        self.0.as_ref().map_or(INITIAL, |measured| measured.limit)
    }

    /// How large a packet should be: it takes a few milliseconds of the line at most, since what is more urgent waits until it
    /// is out. `None`: nothing is known of the line.
    pub(crate) fn packet(&self) -> Option<u64> {
        self.0.as_ref()?.line.packet()
    }

    /// Bytes a second that the line is known to carry.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.0.as_ref()?.line.rate()
    }

    /// The shortest round trip of late.
    pub(crate) fn least_rtt(&self) -> Option<Duration> {
        self.0.as_ref()?.line.least_rtt()
    }

    /// Bytes on the line: sent and not acknowledged.
    pub(crate) fn in_flight(&self) -> u64 {
        self.0.as_ref().map_or(0, |measured| measured.records.in_flight())
    }

    /// A line that holds everything, for tests of something else.
    #[cfg(test)]
    pub(crate) fn lift(&mut self) {
        self.hold(u64::MAX);
    }

    /// A line that holds so many bytes, until something is acknowledged.
    #[cfg(test)]
    pub(crate) fn hold(&mut self, limit: u64) {
        self.0 = Some(Box::new(Measured {
            records: Records::default(),
            line: Line::endless(),
            limit,
            beyond: 0,
        }));
    }
}
