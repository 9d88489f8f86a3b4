use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::*;

mod shares;

/// A line that carries `rate` bytes a second, behind which everything is acknowledged at once.
struct Line {
    rate: u64,
    rtt: Duration,
    free_at: Instant,
    /// When the acknowledgement of what ends there arrives.
    acks: VecDeque<(Instant, u64)>,
    now: Instant,
    sent: u64,
    flight: Flight,
    delivered: u64,
    /// Each packet is the last that there is to send.
    last: bool,
    /// How long packets waited before the line.
    queued: Vec<Duration>,
}

const PACKET: u64 = 1_500;

impl Line {
    fn new(rate: u64, rtt: Duration) -> Line {
        Line {
            rate,
            rtt,
            free_at: Instant::ZERO,
            acks: VecDeque::new(),
            now: Instant::ZERO,
            sent: 0,
            flight: Flight::default(),
            delivered: 0,
            last: false,
            queued: Vec::new(),
        }
    }

    fn send(&mut self) {
        self.sent += 1;
        self.flight
            .on_sent(self.now, (self.sent, PACKET as usize), self.last, None);
        self.queued.push(self.free_at.saturating_since(self.now));
        let takes = Duration::from_nanos(PACKET * 1_000_000_000 / self.rate);
        self.free_at = self.free_at.max(self.now) + takes;
        self.acks.push_back((self.free_at + self.rtt, self.sent));
    }

    fn hear(&mut self) -> bool {
        let Some((at, position)) = self.acks.pop_front() else {
            return false;
        };
        self.now = self.now.max(at);
        self.delivered += PACKET;
        let _ = self.flight.on_acked(self.now, position);
        true
    }

    /// How long the slowest of twenty packets waited since this was asked last.
    fn queued(&mut self) -> Duration {
        self.slowest(19, 20)
    }

    /// How long all but `part` of `whole` packets waited at least since this was asked last.
    fn slowest(&mut self, part: usize, whole: usize) -> Duration {
        let mut queued = core::mem::take(&mut self.queued);
        queued.sort_unstable();
        queued[queued.len() * part / whole]
    }

    /// Sends all that may be sent for that long. Returns the bytes acknowledged.
    fn run(&mut self, time: Duration) -> u64 {
        self.run_at(time, Headroom::Open)
    }

    /// The same for what has its turn with so little headroom.
    fn run_at(&mut self, time: Duration, headroom: Headroom) -> u64 {
        let (end, before) = (self.now + time, self.delivered);
        while self.now < end {
            while self.flight.headroom() >= headroom {
                self.send();
            }
            self.hear();
        }
        self.delivered - before
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn lines() -> impl Iterator<Item = (u64, Duration)> {
    let rates = [125_000, 1_250_000, 12_500_000, 125_000_000];
    rates
        .into_iter()
        .flat_map(|rate| [1, 20, 100, 300].map(|rtt| (rate, Duration::from_millis(rtt))))
}

#[test]
fn a_line_is_filled_and_little_waits_before_it() {
    for (rate, rtt) in lines() {
        let mut line = Line::new(rate, rtt);
        line.run(SECOND * 2 + rtt * 15);
        line.queued.clear();
        let (filled, queued) = (line.run(SECOND * 2), line.queued());
        assert!(filled >= rate * 19 / 10, "{rate} B/s, {rtt:?}: {filled} in 2 s");
        let most = (rtt / 4).max(Duration::from_millis(50));
        assert!(queued <= most, "{rate} B/s, {rtt:?}: {queued:?}");
    }
}

#[test]
fn the_least_round_trip_is_looked_for_again_without_the_line_running_dry() {
    for (rate, rtt) in lines().filter(|(rate, _)| *rate < 100_000_000) {
        let mut line = Line::new(rate, rtt);
        line.run(SECOND * 2);
        let least = line.flight.least_rtt();
        let filled = line.run(SECOND * 30);
        assert!(filled >= rate * 30 * 97 / 100, "{rate} B/s, {rtt:?}: {filled} in 30 s");
        let after = line.flight.least_rtt();
        let (least, after) = least.zip(after).expect("because much was acknowledged");
        assert!(
            after <= least + least / 8 + Duration::from_millis(12),
            "{rate} B/s, {rtt:?}: {least:?}, {after:?}"
        );
    }
}

/// A first sample of the rate, taken on an empty line, is a fraction of it. Kills `first_flight_cut`.
#[test]
fn the_first_flight_goes_on_until_the_rate_is_known() {
    let rtt = Duration::from_millis(300);
    let mut line = Line::new(125_000, rtt);
    line.run(rtt * 8);
    line.queued.clear();
    let filled = line.run(SECOND);
    assert!(filled >= 125_000 * 19 / 20, "{filled}");
}

#[test]
fn a_first_flight_of_many_round_trips_is_not_sent_twice() {
    let mut line = Line::new(125_000, Duration::from_millis(1));
    line.run(Duration::from_millis(50));
    line.queued.clear();
    line.run(SECOND);
    let slowest = line.slowest(99, 100);
    assert!(slowest <= Duration::from_millis(60), "{slowest:?}");
}

/// What was missing came back at once, and waited in front of the line. Kills `filled_at_once`.
#[test]
fn a_look_for_the_least_round_trip_leaves_no_burst_behind() {
    for (rate, rtt) in lines().filter(|(_, rtt)| rtt.as_millis() >= 100) {
        let mut line = Line::new(rate, rtt);
        line.run(SECOND * 2 + rtt * 15);
        line.queued.clear();
        line.run(SECOND * 15);
        let (slowest, takes) = (
            line.slowest(199, 200),
            Duration::from_nanos(PACKET * 1_000_000_000 / rate),
        );
        let most = rtt / 8 + Duration::from_millis(6) + takes * 2;
        assert!(slowest <= most, "{rate} B/s, {rtt:?}: {slowest:?} of {most:?}");
    }
}

/// Each acknowledged byte let another one go, so that a drain did not end. Kills `urgent_regained`.
#[test]
fn bulk_that_is_more_urgent_than_other_bulk_makes_way_for_a_drain() {
    for (rate, rtt) in lines().filter(|(rate, _)| *rate >= 1_250_000) {
        let mut line = Line::new(rate, rtt);
        line.run(SECOND * 5);
        line.rate = rate / 10;
        line.run_at(SECOND * 20, Headroom::Urgent);
        let (in_flight, limit) = (line.flight.in_flight(), line.flight.limit());
        assert!(
            in_flight <= limit * 2 + 2 * PACKET,
            "{rate} B/s, {rtt:?}: {in_flight} of {limit}"
        );
    }
}

/// Two late acknowledgements were taken for a line that is full. Kills `full_of_little`.
#[test]
fn jitter_of_who_has_little_to_send_takes_nothing_of_the_first_flight() {
    let (mut flight, mut now) = (Flight::default(), Instant::ZERO);
    for (n, rtt) in [50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 70, 70].into_iter().enumerate() {
        let n = n as u64 + 1;
        flight.on_sent(now, (n, 16_000), true, Some(Duration::from_millis(50)));
        now = now + Duration::from_millis(rtt);
        flight.on_acked(now, n);
        now = now + Duration::from_millis(100);
    }
    assert!(flight.limit() >= INITIAL, "{}", flight.limit());
}

/// Each delay was taken for a slower line, and the next one came before it was known to be as fast as before: 30 packets in a
/// thousand were left of what the line carries. Kills `rate_ratchets`.
#[test]
fn delays_that_come_and_go_leave_a_good_part_of_the_line() {
    let rtt = Duration::from_millis(50);
    let mut line = Line::new(12_500_000, rtt);
    let mut rounds = |count: u32| -> u64 {
        let late = |n| {
            if n % 4 < 2 {
                rtt + Duration::from_millis(30)
            } else {
                rtt
            }
        };
        (0..count)
            .map(|n| {
                line.rtt = late(n);
                line.run(rtt)
            })
            .sum()
    };
    rounds(60);
    let delivered = rounds(40);
    assert!(delivered >= 12_500_000 / 20 * 40 / 5, "{delivered} bytes in 2 s");
}

/// What is carried and what waits once twenty round trips have passed since the line changed.
fn settled(line: &mut Line, rtt: Duration) -> (u64, Duration) {
    line.run(rtt * 20);
    line.queued.clear();
    (line.run(SECOND), line.queued())
}

#[test]
fn a_rate_that_falls_or_grows_tenfold_is_followed() {
    for (rate, rtt) in lines().filter(|(rate, rtt)| *rate == 1_250_000 && rtt.as_millis() >= 20) {
        for changed in [rate / 10, rate * 10] {
            let mut line = Line::new(rate, rtt);
            line.run(SECOND * 4);
            line.rate = changed;
            let (filled, queued) = settled(&mut line, rtt);
            assert!(filled >= changed * 9 / 10, "{rate} to {changed} B/s, {rtt:?}: {filled}");
            let most = (rtt / 4).max(Duration::from_millis(50));
            assert!(queued <= most, "{rate} to {changed} B/s, {rtt:?}: {queued:?}");
        }
    }
}

#[test]
fn a_line_that_becomes_longer_is_followed() {
    for (rate, rtt) in lines().filter(|(rate, rtt)| *rate <= 12_500_000 && rtt.as_millis() >= 20) {
        let mut line = Line::new(rate, rtt);
        line.run(SECOND * 4);
        line.rtt = rtt * 2;
        let (filled, _) = settled(&mut line, rtt * 2);
        assert!(filled >= rate * 9 / 10, "{rate} B/s, {rtt:?}: {filled}");
    }
}

#[test]
fn samples_without_enough_to_send_say_nothing_of_the_line() {
    let mut line = Line::new(1_250_000, Duration::from_millis(100));
    line.run(SECOND * 2);
    let known = line.flight.rate();
    while line.hear() {}
    // A keystroke now and then.
    for _ in 0..100 {
        line.now = line.now + Duration::from_millis(50);
        line.last = true;
        line.send();
        line.hear();
    }
    assert_eq!(line.flight.rate(), known);
}

#[test]
fn what_is_more_urgent_may_go_beyond_what_should_be_on_the_line_up_to_a_bound() {
    let mut flight = Flight::default();
    flight.on_sent(Instant::ZERO, (1, 70_000), false, None);
    assert_eq!(flight.headroom(), Headroom::Urgent);
    flight.on_sent(Instant::ZERO, (2, 12_000), false, None);
    assert_eq!(flight.headroom(), Headroom::None);
    flight.on_acked(Instant::from_millis(10), 1);
    assert_eq!((flight.in_flight(), flight.headroom()), (12_000, Headroom::Open));
}

/// Each step looks like a queue of others. That there is none shows within a few looks. Kills `rivals_for_ever`.
#[test]
fn a_line_that_becomes_worse_twice_is_calm_again() {
    let rtt = Duration::from_millis(20);
    let mut line = Line::new(12_500_000, rtt);
    line.run(SECOND * 3);
    for _ in 0..2 {
        (line.rate, line.rtt) = (line.rate / 3, line.rtt * 2);
        line.run(SECOND * 3);
    }
    line.run(SECOND * 25);
    line.queued.clear();
    line.run(SECOND * 5);
    let slowest = line.queued();
    assert!(slowest <= Duration::from_millis(20), "{slowest:?}");
}
