//! Flow control in charges: what may still be sent, and what was granted.

use crate::limits::FRAME_CHARGE;
use crate::time::{Duration, Instant};

/// The sending side of one window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SendCredit {
    limit: u64,
    used: u64,
}

impl SendCredit {
    pub(super) fn new(limit: u64) -> SendCredit {
        SendCredit { limit, used: 0 }
    }

    /// Charge that may still be committed.
    pub(super) fn left(self) -> u64 {
        self.limit - self.used
    }

    pub(super) fn limit(self) -> u64 {
        self.limit
    }

    pub(super) fn used(self) -> u64 {
        self.used
    }

    /// As it was; `None`: that cannot be.
    pub(super) fn restored(limit: u64, used: u64) -> Option<SendCredit> {
        (used <= limit).then_some(SendCredit { limit, used })
    }

    /// The caller stays within `left`.
    pub(super) fn spend(&mut self, charge: usize) {
        self.used = (self.used + charge as u64).min(self.limit);
    }

    /// A limit never falls.
    pub(super) fn raise(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// New terms before anything was granted on top of the old ones.
    pub(super) fn restart(&mut self, limit: u64) -> bool {
        let fits = self.used <= limit;
        if fits {
            self.limit = limit;
        }
        fits
    }
}

/// The receiving side of one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecvCredit {
    window: u64,
    granted: u64,
    received: u64,
    consumed: u64,
    measured: Measured,
}

/// Since when, and from where, it is measured how fast the reader is.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    consumed: u64,
    /// The origin: nothing was read yet.
    since: Instant,
}

/// When something is read, and the round trip of the connection, if there is one and it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) now: Instant,
    pub(crate) rtt: Option<Duration>,
}

impl RecvCredit {
    pub(super) fn new(window: u64) -> RecvCredit {
        RecvCredit {
            window,
            granted: window,
            received: 0,
            consumed: 0,
            measured: Measured::default(),
        }
    }

    /// Data arrived. `false`: more than was granted.
    #[must_use]
    pub(super) fn receive(&mut self, charge: usize) -> bool {
        self.received = self.received.saturating_add(charge as u64);
        self.received <= self.granted
    }

    /// The application took it, or it was discarded.
    pub(super) fn consume(&mut self, charge: u64) {
        self.consumed += charge;
    }

    /// Whether the window holds the reader up: it reads a window's worth in less than two round trips, of which half a
    /// window in one is enough to see. One that reads much at once and then nothing for long does not.
    pub(super) fn is_outpaced(&mut self, reading: Reading) -> bool {
        if self.measured.since == Instant::ZERO {
            self.measured.since = reading.now;
        }
        let read = self.consumed - self.measured.consumed;
        if read < self.window / 2 {
            return false;
        }
        let elapsed = reading.now.saturating_since(self.measured.since).as_nanos();
        let rtt = reading.rtt.unwrap_or_default().as_nanos();
        let (window, counted) = (u128::from(self.window), u128::from(read.min(self.window)));
        // What was read in less than half a round trip had been waiting.
        let outpaced = elapsed * 2 >= rtt && elapsed.saturating_mul(window) < counted.saturating_mul(rtt * 2);
        if outpaced || read >= self.window {
            self.measured = Measured {
                consumed: self.consumed,
                since: reading.now,
            };
        }
        outpaced
    }

    pub(super) fn window(self) -> u64 {
        self.window
    }

    /// From now on the limits that are told leave this much. A limit that was told stays.
    pub(super) fn set_window(&mut self, window: u64) {
        self.window = window;
    }

    /// What the peer may have in flight and unread: the window, or what was granted before it shrank.
    pub(super) fn bound(self) -> u64 {
        self.window.max(self.granted - self.consumed)
    }

    /// Received and neither taken nor discarded.
    pub(super) fn held(self) -> u64 {
        self.received - self.consumed
    }

    /// Whether a quarter of the window was read since the last grant. For one stream's window, which has one reader: in
    /// much smaller steps a slow one would have the sender send tiny frames, and in larger ones the sender would have much
    /// less than the window.
    pub(super) fn is_quarter_read(self) -> bool {
        self.next_grant() - self.granted > self.window / 4
    }

    /// Whether a new limit for a window that many share is worth a frame: it would at least double what the sender has
    /// left, or the sender cannot send a byte. Not a share of the window: where much of that lies unread on other streams,
    /// the rest has to go round all the same.
    pub(super) fn is_worth_sharing(self) -> bool {
        let more = self.next_grant() - self.granted;
        let left = self.granted.saturating_sub(self.received);
        more > 0 && (more >= left || left <= FRAME_CHARGE as u64)
    }

    /// The limit to tell the peer now: never less than before, also when the window has shrunk.
    pub(super) fn next_grant(self) -> u64 {
        self.granted.max(self.consumed + self.window)
    }

    /// The peer is sent this limit.
    pub(super) fn grant(&mut self, limit: u64) {
        self.granted = self.granted.max(limit);
    }

    /// What was granted, received and consumed.
    pub(super) fn accounts(self) -> (u64, u64, u64) {
        (self.granted, self.received, self.consumed)
    }

    /// The accounts are as they were; `None`: that cannot be.
    pub(super) fn restore(&mut self, (granted, received, consumed): (u64, u64, u64)) -> Option<()> {
        (self.granted, self.received, self.consumed) = (granted, received, consumed);
        self.measured = Measured {
            consumed,
            ..Measured::default()
        };
        (consumed <= received && received <= granted).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PROTOCOL R6.4
    #[test]
    fn a_sender_that_cannot_fit_a_byte_is_always_granted_more_once_all_is_read() {
        for window in 256..2_048 {
            let mut credit = RecvCredit::new(window);
            let mut sender = SendCredit::new(window);
            // Fill as a sender would: whole charges of 65 while they fit.
            while sender.left() >= 65 {
                sender.spend(65);
                assert!(credit.receive(65));
            }
            credit.consume(credit.held());
            assert!(credit.is_quarter_read(), "window {window}");
            credit.grant(credit.next_grant());
            sender.raise(credit.next_grant());
            assert_eq!(sender.left(), window);
        }
    }

    #[test]
    fn what_lies_unread_leaves_the_rest_of_the_window_to_others() {
        for window in 256..2_048 {
            // The least that has room for a byte beside what is unread.
            for unread in (0..=window - 65).step_by(31) {
                let mut credit = RecvCredit::new(window);
                let mut sender = SendCredit::new(window);
                sender.spend(unread as usize);
                assert!(credit.receive(unread as usize));
                for round in 0..100 {
                    assert!(sender.left() >= 65, "window {window}, {unread} unread, round {round}");
                    sender.spend(65);
                    assert!(credit.receive(65));
                    credit.consume(65);
                    if credit.is_worth_sharing() {
                        sender.raise(credit.next_grant());
                        credit.grant(credit.next_grant());
                    }
                }
            }
        }
    }

    #[test]
    fn more_than_granted_is_noticed() {
        let mut credit = RecvCredit::new(256);
        assert!(credit.receive(256));
        assert!(!credit.receive(1));
    }
}
