//! What was sent and is not acknowledged, and how things stood when it was sent (draft-ietf-ccwg-bbr, section 4.1.2).

use alloc::collections::VecDeque;

use crate::time::{Duration, Instant};

/// Records of packets are joined until one has this part of what may be on the line.
const RECORDS: u64 = 64;
/// Records that room is kept for while nothing is on the line.
const KEPT: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Records {
    sent: VecDeque<Sent>,
    in_flight: u64,
    /// Bytes ever acknowledged here, and when the last of them was.
    delivered: u64,
    delivered_at: Instant,
    /// When the packet was sent that was acknowledged last.
    first_sent: Instant,
    /// Until more than that is delivered, samples show what there was to send and not what the line carries.
    limited_until: Option<u64>,
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

/// What an acknowledgement shows, of the newest packet that it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    pub(super) sent: Instant,
    pub(super) rtt: Duration,
    /// Bytes acknowledged since it was sent; how long that took, and how long sending as much had taken.
    pub(super) bytes: u64,
    pub(super) acknowledging: Duration,
    pub(super) sending: Duration,
    /// There was not enough to send.
    pub(super) limited: bool,
    /// Bytes ever acknowledged: when it was sent, and now.
    pub(super) delivered: (u64, u64),
}

impl Records {
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// `limit`: how much may be on the line. `last`: there is nothing more to send.
    pub(super) fn on_sent(&mut self, now: Instant, (end, bytes): (u64, u64), limit: u64, last: bool) {
        if self.in_flight == 0 {
            self.first_sent = now;
            self.delivered_at = now;
        }
        self.in_flight += bytes;
        if last && self.in_flight < limit {
            self.starve();
        }
        let mut sent = Sent {
            end,
            bytes,
            at: now,
            first_sent: self.first_sent,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            limited: self.limited_until.is_some(),
        };
        if let Some(last) = self.sent.back_mut() {
            // What is sent again after a RESYNC lies below what was sent before.
            sent.end = end.max(last.end);
            if last.bytes + bytes <= limit / RECORDS {
                sent.bytes += last.bytes;
                *last = sent;
                return;
            }
        }
        self.sent.push_back(sent);
    }

    /// There is nothing more to send: what follows before all on the line is acknowledged says nothing of the line.
    pub(super) fn starve(&mut self) {
        self.limited_until = Some(self.delivered + self.in_flight);
    }

    /// What is on the line is acknowledged when something else has come, and says nothing of the line either.
    pub(super) fn hold_up(&mut self) {
        self.starve();
        self.sent.iter_mut().for_each(|sent| sent.limited = true);
    }

    /// The peer has all below `position`. `None`: that is no news of what was sent here.
    pub(super) fn on_acked(&mut self, now: Instant, position: u64) -> Option<Acked> {
        let mut newest = None;
        while self.sent.front().is_some_and(|sent| sent.end <= position) {
            let Some(sent) = self.sent.pop_front() else { break };
            self.in_flight -= sent.bytes;
            self.delivered += sent.bytes;
            newest = Some(sent);
        }
        let newest = newest?;
        if self.sent.is_empty() && self.sent.capacity() > KEPT {
            self.sent = VecDeque::new();
        }
        self.delivered_at = now;
        // What was limited may have been sent long ago: how long sending took is not counted from there.
        self.first_sent = if newest.limited { now } else { newest.at };
        self.limited_until.take_if(|until| *until < self.delivered);
        Some(Acked {
            sent: newest.at,
            rtt: now.saturating_since(newest.at),
            bytes: self.delivered - newest.delivered,
            acknowledging: now.saturating_since(newest.delivered_at),
            sending: newest.at.saturating_since(newest.first_sent),
            limited: newest.limited,
            delivered: (newest.delivered, self.delivered),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 64_000;

    #[test]
    fn what_was_acknowledged_counts_no_more_and_everything_else_does() {
        let mut records = Records::default();
        records.on_sent(Instant::ZERO, (10, 60_000), LIMIT, false);
        records.on_sent(Instant::ZERO, (20, 60_000), LIMIT, false);
        let later = Instant::from_millis(10);
        assert!(records.on_acked(later, 9).is_none());
        assert_eq!(records.in_flight(), 120_000);
        let acked = records.on_acked(later, 10).map(|acked| (acked.rtt, acked.bytes));
        assert_eq!(acked, Some((Duration::from_millis(10), 60_000)));
        assert_eq!(records.in_flight(), 60_000);
        records.on_acked(later, 30);
        assert_eq!(records.in_flight(), 0);
    }

    #[test]
    fn what_is_sent_again_after_a_resync_is_settled_with_what_was_sent_before() {
        let mut records = Records::default();
        records.on_sent(Instant::ZERO, (20, 1_000), LIMIT, false);
        records.on_sent(Instant::ZERO, (5, 500), LIMIT, false);
        records.on_acked(Instant::from_millis(1), 20);
        assert_eq!(records.in_flight(), 0);
    }

    /// Kills `held_up_unmarked`.
    #[test]
    fn what_was_held_up_says_nothing_of_the_line_and_what_follows_it_does() {
        let mut records = Records::default();
        records.on_sent(Instant::ZERO, (1, 60_000), LIMIT, false);
        records.hold_up();
        let limited = |acked: Option<Acked>| acked.map(|acked| (acked.limited, acked.sending));
        let late = Instant::from_millis(3_000);
        assert_eq!(limited(records.on_acked(late, 1)), Some((true, Duration::ZERO)));
        records.on_sent(late, (2, 60_000), LIMIT, false);
        records.on_acked(late, 2);
        records.on_sent(late, (3, 60_000), LIMIT, false);
        let later = Instant::from_millis(3_100);
        assert_eq!(limited(records.on_acked(later, 3)), Some((false, Duration::ZERO)));
    }

    #[test]
    fn records_of_small_packets_are_joined() {
        let mut records = Records::default();
        (0..10_000).for_each(|n| records.on_sent(Instant::ZERO, (n + 1, 1_500), 15_000_000, false));
        assert_eq!(records.in_flight(), 15_000_000);
        assert!(records.sent.len() <= RECORDS as usize + 1, "{}", records.sent.len());
        records.on_acked(Instant::from_millis(1), 10_000);
        assert!(records.sent.capacity() <= KEPT);
    }
}
