//! The sending side of TCP, as far as a line sees it: how much may be on it. Nothing is lost, since a sender that finds the
//! buffer full waits; it takes it for a loss all the same, as CUBIC does (RFC 9438).

const SEGMENT: f64 = 1_448.0;
/// RFC 9438, section 4: `C` in segments per cubic second, and what is left of the window after a loss.
const C: f64 = 0.4;
const BETA: f64 = 0.7;

/// One flow's sender in one direction.
#[derive(Debug)]
pub struct Tcp {
    /// In the socket's buffer and not sent.
    pub unsent: u64,
    pub in_flight: u64,
    window: f64,
    threshold: f64,
    /// The window at the last loss, and when that was.
    before: f64,
    lost: Option<u64>,
}

impl Tcp {
    /// A sender that has just begun, or one (`open`) that has long had a window larger than any line.
    pub fn new(open: bool) -> Tcp {
        Tcp {
            unsent: 0,
            in_flight: 0,
            window: if open { f64::INFINITY } else { 10.0 * SEGMENT },
            threshold: f64::INFINITY,
            before: 0.0,
            lost: None,
        }
    }

    /// How many bytes may be sent now, at most `chunk`.
    pub fn ready(&self, chunk: u64) -> u64 {
        let left = (self.window as u64).saturating_sub(self.in_flight);
        let next = self.unsent.min(chunk);
        if left >= next || self.in_flight == 0 { next } else { 0 }
    }

    pub fn sent(&mut self, bytes: u64) {
        self.unsent -= bytes;
        self.in_flight += bytes;
    }

    /// The buffer was full. Counts once a round trip.
    pub fn full(&mut self, now: u64, rtt: u64) {
        if self.window.is_infinite() || self.lost.is_some_and(|lost| now < lost + rtt) {
            return;
        }
        self.before = self.window;
        self.window = (self.window * BETA).max(2.0 * SEGMENT);
        self.threshold = self.window;
        self.lost = Some(now);
    }

    pub fn acknowledged(&mut self, now: u64, bytes: u64) {
        let limited = self.in_flight as f64 + 2.0 * bytes as f64 >= self.window;
        self.in_flight -= bytes;
        if !limited {
            return;
        }
        if self.window < self.threshold {
            self.window += bytes as f64;
            return;
        }
        let Some(lost) = self.lost else { return };
        let before = self.before / SEGMENT;
        let k = (before * (1.0 - BETA) / C).cbrt();
        let since = (now - lost) as f64 / 1e9 - k;
        let target = (C * since.powi(3) + before) * SEGMENT;
        // No faster than half as much again in a round trip (section 4.4), no slower than Reno.
        let cubic = (target - self.window).clamp(0.0, self.window / 2.0) * bytes as f64 / self.window;
        let reno = SEGMENT * bytes as f64 / self.window;
        self.window += cubic.max(reno);
    }
}
