//! Several on one line.

use super::*;
use crate::reliability::flight::phase::carried;

/// One of those on the line.
enum Flow {
    Ours(Box<Flight>),
    /// As a stream of TCP is: its window, in bytes, grows by a packet each round trip until the queue has so many bytes, and is halved then.
    Reno {
        window: u64,
        queue: u64,
        halved: Instant,
    },
}

/// A line as [`Line`] is, for several.
struct Shared {
    rate: u64,
    rtt: Duration,
    now: Instant,
    free_at: Instant,
    /// When the acknowledgement of what ends there arrives, of which flow, and when it was sent.
    acks: VecDeque<(Instant, usize, u64, Instant)>,
    /// Each, and how many of its packets were sent and acknowledged.
    flows: Vec<(Flow, u64, u64)>,
    /// How long what was acknowledged lately had waited before the line.
    waited: Vec<Duration>,
    /// Acknowledgements come so much later at most, in order, and what that is drawn from.
    jitter: Duration,
    random: u64,
}

impl Shared {
    fn new(rate: u64, rtt: Duration) -> Shared {
        Shared {
            rate,
            rtt,
            now: Instant::ZERO,
            free_at: Instant::ZERO,
            acks: VecDeque::new(),
            flows: Vec::new(),
            waited: Vec::new(),
            jitter: Duration::ZERO,
            random: 1,
        }
    }

    fn join(&mut self, flow: Flow) {
        self.flows.push((flow, 0, 0));
        self.fill(self.flows.len() - 1);
    }

    fn fill(&mut self, index: usize) {
        let (flow, sent, acked) = &mut self.flows[index];
        loop {
            let open = match flow {
                Flow::Ours(flight) => flight.headroom() == Headroom::Open,
                Flow::Reno { window, .. } => (*sent - *acked + 1) * PACKET <= *window,
            };
            if !open {
                return;
            }
            *sent += 1;
            if let Flow::Ours(flight) = flow {
                flight.on_sent(self.now, (*sent, PACKET as usize), false, Some(self.rtt));
            }
            self.free_at = self.free_at.max(self.now) + Duration::from_nanos(PACKET * 1_000_000_000 / self.rate);
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let late = self.jitter * u32::try_from(self.random >> 54).unwrap_or(0) / 1_024;
            let last = self.acks.back().map_or(Instant::ZERO, |ack| ack.0);
            let at = last.max(self.free_at + self.rtt + late);
            self.acks.push_back((at, index, *sent, self.now));
        }
    }

    /// Returns the packets of each that arrived in that time.
    fn run(&mut self, time: Duration) -> Vec<u64> {
        let end = self.now + time;
        self.waited.clear();
        let before: Vec<u64> = self.flows.iter().map(|(_, _, acked)| *acked).collect();
        while let Some((at, index, position, sent)) = self.acks.pop_front() {
            if at > end {
                self.acks.push_front((at, index, position, sent));
                break;
            }
            self.now = at;
            self.waited.push(at.saturating_since(sent + self.rtt));
            let queued = carried(self.rate, self.free_at.saturating_since(at));
            let (flow, _, acked) = &mut self.flows[index];
            *acked = position;
            match flow {
                Flow::Ours(flight) => {
                    let _ = flight.on_acked(at, position);
                }
                Flow::Reno { window, queue, halved } if queued > *queue && sent >= *halved => {
                    *window = (*window / 2).max(PACKET);
                    *halved = at;
                }
                Flow::Reno { window, .. } => *window += PACKET * PACKET / *window,
            }
            self.fill(index);
        }
        self.now = end;
        self.flows
            .iter()
            .zip(before)
            .map(|((_, _, acked), before)| acked - before)
            .collect()
    }
}

fn ours() -> Flow {
    Flow::Ours(Box::default())
}

/// A line of `rate` bytes a second and `rtt` milliseconds, on which `first` is for that many seconds when a session comes, and what part of
/// it that session has in the `last` seconds, in percent.
fn share((rate, rtt): (u64, u64), (first, alone): (Flow, u32), last: u32) -> (Shared, u64) {
    let mut line = Shared::new(rate, Duration::from_millis(rtt));
    line.join(first);
    line.run(SECOND * alone);
    line.join(ours());
    line.run(SECOND * 5);
    let parts = line.run(SECOND * last);
    let share = parts[1] * 100 / parts.iter().sum::<u64>();
    (line, share)
}

#[test]
fn sessions_that_begin_one_after_another_share_a_line() {
    for line in [(1_250_000, 20), (1_250_000, 100), (2_500_000, 200), (12_500_000, 100)] {
        let (_, share) = share(line, (ours(), 3), 60);
        assert!((34..=66).contains(&share), "{share} % of {line:?}");
    }
}

/// The queue of one ended the start of the other. Kills `start_ends_in_a_queue_of_others`.
#[test]
fn sessions_that_begin_together_share_a_line_from_the_start() {
    for line in [(2_500_000, 200), (5_000_000, 200)] {
        let (_, share) = share(line, (ours(), 0), 60);
        assert!((34..=66).contains(&share), "{share} % of {line:?}");
    }
}

/// Kills `rivals_unnoticed`.
#[test]
fn a_stream_that_keeps_a_queue_leaves_a_session_its_part() {
    for line @ (rate, rtt) in [(1_250_000, 100), (2_500_000, 50), (2_500_000, 100)] {
        let stream = Flow::Reno {
            window: 10 * PACKET,
            queue: carried(rate, Duration::from_millis(rtt * 3 / 2)),
            halved: Instant::ZERO,
        };
        let (_, share) = share(line, (stream, 5), 60);
        // No window of a carrier bounds ours here.
        assert!((34..=80).contains(&share), "{share} % of {line:?}");
    }
}

/// The line jitters, and later becomes slower: nobody else is on it. Kills `jitter_is_taken_for_rivals`.
#[test]
fn who_is_alone_on_a_line_that_jitters_keeps_the_queue_short() {
    for (rtt, percent) in [(20, 10), (20, 20), (50, 20)] {
        let mut line = Shared::new(2_500_000, Duration::from_millis(rtt));
        line.jitter = line.rtt * percent / 100;
        line.join(ours());
        line.run(SECOND * 90);
        line.rate = line.rate * 2 / 5;
        line.run(SECOND * 20);
        line.run(SECOND * 20);
        line.waited.sort_unstable();
        let p95 = line.waited[line.waited.len() * 95 / 100];
        assert!(
            p95 <= line.rtt / 2 + Duration::from_millis(8),
            "{p95:?} of {rtt} ms, {percent} %"
        );
    }
}

/// Each took the other's start for a longer line and started again, and the queue grew without end. Kills `starts_beside_others_for_ever`,
/// `start_doubles_a_queue_of_others` and `crowded_out_though_the_part_is_fair`.
#[test]
fn sessions_keep_each_others_queue_short() {
    for (line, alone) in [
        ((1_250_000, 50), 0),
        ((1_250_000, 200), 1),
        ((1_250_000, 300), 1),
        ((5_000_000, 100), 0),
        ((5_000_000, 200), 3),
    ] {
        let (mut shared, _) = share(line, (ours(), alone), 60);
        shared.waited.sort_unstable();
        let p95 = shared.waited[shared.waited.len() * 95 / 100];
        let most = (shared.rtt / 2).max(Duration::from_millis(50));
        assert!(p95 <= most, "{p95:?} before {line:?}");
    }
}
