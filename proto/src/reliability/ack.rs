//! When to acknowledge: on every packet that goes anyway, and alone when enough has come, when it
//! has waited long enough, or when the peer should know at once.

use crate::time::{Duration, Instant};

/// Packets with sequenced frames after which an ACK goes alone.
const PACKETS: u32 = 16;
/// The same for bytes, where the peer's outbox holds much.
const BYTES: usize = 256 << 10;
/// Parts of a round trip that an ACK waits at most: the peer sends no more than the line holds, and with less than several
/// acknowledgements a round trip the line would run dry.
const PARTS: u32 = 16;
/// What a host's timers can do.
const LEAST_DELAY: Duration = Duration::from_millis(1);

/// The policy of one connection.
#[derive(Debug)]
pub(crate) struct AckPolicy {
    delay: Duration,
    /// A quarter of what the peer's outbox holds, if that is not much.
    bytes_limit: usize,
    packets: u32,
    bytes: usize,
    deadline: Option<Instant>,
    now: bool,
}

impl AckPolicy {
    pub(crate) fn new(delay: Duration, bytes_limit: usize) -> AckPolicy {
        AckPolicy {
            delay,
            bytes_limit: bytes_limit.min(BYTES),
            packets: 0,
            bytes: 0,
            deadline: None,
            now: false,
        }
    }

    /// The peer should know as soon as a packet can go.
    pub(crate) fn at_once(&mut self) {
        self.now = true;
    }

    /// A packet with sequenced frames of that charge came in. `srtt`: the round trip, where it is known.
    pub(crate) fn on_packet(&mut self, now: Instant, bytes: usize, srtt: Option<Duration>) {
        self.packets += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.now |= self.packets >= PACKETS || self.bytes >= self.bytes_limit;
        let part = srtt.map_or(self.delay, |srtt| (srtt / PARTS).max(LEAST_DELAY));
        self.deadline.get_or_insert(now + self.delay.min(part));
    }

    /// Whether an ACK is due, company or not.
    pub(crate) fn due(&self) -> bool {
        self.now
    }

    /// When one becomes due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.filter(|_| !self.now)
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        self.now |= self.deadline.is_some_and(|at| now >= at);
    }

    /// One was packed.
    pub(crate) fn on_sent(&mut self) {
        *self = AckPolicy::new(self.delay, self.bytes_limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(25);

    // PROTOCOL R5.4
    #[test]
    fn waits_for_company_but_not_long() {
        let mut acks = AckPolicy::new(DELAY, 1_000);
        acks.on_packet(Instant::ZERO, 10, None);
        assert!(!acks.due());
        assert_eq!(acks.deadline(), Some(Instant::ZERO + DELAY));
        acks.on_packet(Instant::from_millis(10), 10, None);
        acks.on_timeout(Instant::from_millis(24));
        assert!(!acks.due());
        acks.on_timeout(Instant::from_millis(25));
        assert!(acks.due());
        assert_eq!(acks.deadline(), None, "what is due has no deadline left");
        acks.on_sent();
        assert!(!acks.due() && acks.deadline().is_none());
    }

    // PROTOCOL R5.4
    #[test]
    fn enough_packets_or_bytes_are_due_at_once() {
        let mut acks = AckPolicy::new(DELAY, 1_000);
        acks.on_packet(Instant::ZERO, 1_000, None);
        assert!(acks.due());
        let mut acks = AckPolicy::new(DELAY, 1_000);
        (0..16).for_each(|_| acks.on_packet(Instant::ZERO, 1, None));
        assert!(acks.due());
    }

    // PROTOCOL R5.4
    #[test]
    fn an_acknowledgement_comes_several_times_in_a_round_trip() {
        for (srtt, wait) in [(1_000, 25), (160, 10), (4, 1)] {
            let mut acks = AckPolicy::new(DELAY, 1_000);
            acks.on_packet(Instant::ZERO, 10, Some(Duration::from_millis(srtt)));
            assert_eq!(acks.deadline(), Some(Instant::from_millis(wait)));
        }
    }

    #[test]
    fn a_large_outbox_of_the_peer_is_acknowledged_in_parts() {
        let mut acks = AckPolicy::new(DELAY, 1 << 30);
        acks.on_packet(Instant::ZERO, BYTES, None);
        assert!(acks.due());
    }
}
