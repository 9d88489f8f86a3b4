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

struct Shared {
    rate: u64,
    rtt: Duration,
    now: Instant,
    free_at: Instant,
    /// When the acknowledgement of what ends there arrives, of which flow, and when it was sent.
    acks: VecDeque<(Instant, usize, u64, Instant)>,
    flows: Vec<(Flow, u64, u64)>,
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
            self.acks.push_back((self.free_at + self.rtt, index, *sent, self.now));
        }
    }

    /// Returns the packets of each that arrived in that time.
    fn run(&mut self, time: Duration) -> Vec<u64> {
        let end = self.now + time;
        let before: Vec<u64> = self.flows.iter().map(|(_, _, acked)| *acked).collect();
        while let Some((at, index, position, sent)) = self.acks.pop_front() {
            if at > end {
                self.acks.push_front((at, index, position, sent));
                break;
            }
            self.now = at;
            let queued = self.free_at.saturating_since(self.now).as_micros() as u64 * self.rate / 1_000_000;
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

/// What the second has of the line, in percent.
fn share(parts: &[u64]) -> u64 {
    parts[1] * 100 / parts.iter().sum::<u64>()
}

#[test]
fn sessions_that_begin_one_after_another_share_a_line() {
    for (rate, rtt) in [(1_250_000, 20), (1_250_000, 100), (2_500_000, 200), (12_500_000, 100)] {
        let mut line = Shared::new(rate, Duration::from_millis(rtt));
        line.join(ours());
        line.run(Duration::from_secs(3));
        line.join(ours());
        line.run(Duration::from_secs(5));
        let share = share(&line.run(Duration::from_secs(60)));
        assert!(
            (34..=66).contains(&share),
            "{share} % at {rate} bytes a second, {rtt} ms"
        );
    }
}

/// The queue of one ended the start of the other. Kills `start_ends_in_a_queue_of_others`.
#[test]
fn sessions_that_begin_together_share_a_line_from_the_start() {
    for (rate, rtt) in [(1_250_000, 100), (2_500_000, 50)] {
        let mut line = Shared::new(rate, Duration::from_millis(rtt));
        line.join(ours());
        line.join(ours());
        line.run(Duration::from_secs(5));
        let share = share(&line.run(Duration::from_secs(8)));
        assert!(
            (40..=60).contains(&share),
            "{share} % at {rate} bytes a second, {rtt} ms"
        );
    }
}

/// Kills `rivals_unnoticed`.
#[test]
fn a_stream_that_keeps_a_queue_leaves_a_session_its_part() {
    for (rate, rtt) in [(1_250_000, 100), (2_500_000, 50), (2_500_000, 100)] {
        let mut line = Shared::new(rate, Duration::from_millis(rtt));
        let queue = carried(rate, Duration::from_millis(rtt * 3 / 2));
        line.join(Flow::Reno {
            window: 10 * PACKET,
            queue,
            halved: Instant::ZERO,
        });
        line.run(Duration::from_secs(5));
        line.join(ours());
        line.run(Duration::from_secs(5));
        let share = share(&line.run(Duration::from_secs(60)));
        // No window of a carrier bounds ours here.
        assert!(
            (34..=80).contains(&share),
            "{share} % at {rate} bytes a second, {rtt} ms"
        );
    }
}
