//! What carries bytes over a line, as TCP does. It loses nothing: where the queue is full, it waits.

use std::collections::VecDeque;

use super::SECOND;
use super::line::{SEGMENT, Segment};

/// Bytes of one direction of one connection, from its sender's socket to the queue before the link.
#[derive(Debug)]
pub(super) struct Flow {
    /// What waits in the socket, and since when.
    backlog: VecDeque<(u64, u64)>,
    unsent: u64,
    /// It always has something to send.
    greedy: bool,
    /// What waits in the socket waits in the network: somebody on the way took it.
    relayed: bool,
    window: Window,
    in_flight: u64,
    /// Payload bytes that arrived.
    pub(super) arrived: u64,
}

#[derive(Debug)]
pub(super) enum Window {
    /// Only the queue before the link stops it.
    Unlimited,
    Cubic(Cubic),
}

impl Flow {
    pub(super) fn new(window: Window, relayed: bool) -> Flow {
        Flow {
            backlog: VecDeque::new(),
            unsent: 0,
            greedy: false,
            relayed,
            window,
            in_flight: 0,
            arrived: 0,
        }
    }

    /// One that has bytes without end.
    pub(super) fn greedy() -> Flow {
        Flow {
            greedy: true,
            ..Flow::new(Window::Cubic(Cubic::new()), false)
        }
    }

    pub(super) fn write(&mut self, now: u64, bytes: u64) {
        self.backlog.push_back((bytes, now));
        self.unsent += bytes;
    }

    /// Bytes in the socket that TCP has not sent.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Whether its sender wants to know of acknowledgements.
    pub(super) fn is_windowed(&self) -> bool {
        matches!(self.window, Window::Cubic(_))
    }

    pub(super) fn may_send(&self) -> bool {
        let open = match &self.window {
            Window::Unlimited => true,
            Window::Cubic(cubic) => self.in_flight + SEGMENT <= cubic.bytes(),
        };
        open && (self.greedy || self.unsent > 0)
    }

    /// The next segment, for a queue that has room.
    pub(super) fn send(&mut self, now: u64, flow: usize) -> Segment {
        let mut segment = Segment {
            flow,
            payload: SEGMENT,
            since: now,
            sent: now,
        };
        if !self.greedy {
            segment.payload = 0;
            while let Some((bytes, since)) = self.backlog.front_mut() {
                if segment.payload == 0 && self.relayed {
                    segment.since = *since;
                }
                let taken = (*bytes).min(SEGMENT - segment.payload);
                segment.payload += taken;
                *bytes -= taken;
                if *bytes > 0 {
                    break;
                }
                self.backlog.pop_front();
            }
            self.unsent -= segment.payload;
        }
        self.in_flight += segment.payload;
        segment
    }

    /// The queue had no room for what it may send.
    pub(super) fn on_full(&mut self, now: u64) {
        if let Window::Cubic(cubic) = &mut self.window {
            cubic.on_loss(now);
        }
    }

    /// Acknowledged by the receiver's TCP.
    pub(super) fn on_acked(&mut self, now: u64, segment: &Segment) {
        if let Window::Cubic(cubic) = &mut self.window {
            // A window that was not used up says nothing (RFC 9438, section 5.8).
            let used = self.in_flight + SEGMENT > cubic.bytes();
            cubic.on_acked(now, segment, used);
        }
        self.in_flight -= segment.payload;
    }
}

/// A congestion window as in RFC 9438, in segments, without its region for slow lines. A
/// full queue counts as a loss when it is met, and what was lost is sent late instead of again.
#[derive(Debug)]
pub(super) struct Cubic {
    window: f64,
    /// Below it the window doubles each round trip.
    threshold: f64,
    largest: f64,
    /// When the window was made smaller.
    reduced_at: u64,
    rtt: u64,
}

/// RFC 9438, section 4.1.
const C: f64 = 0.4;
const BETA: f64 = 0.7;
/// RFC 6928.
const INITIAL: f64 = 10.0;
const LEAST: f64 = 2.0;

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // Far below 2^52.
impl Cubic {
    pub(super) fn new() -> Cubic {
        Cubic {
            window: INITIAL,
            threshold: f64::MAX,
            largest: 0.0,
            reduced_at: 0,
            rtt: 0,
        }
    }

    fn bytes(&self) -> u64 {
        (self.window * SEGMENT as f64) as u64
    }

    fn on_loss(&mut self, now: u64) {
        // Once in a round trip: what else is lost in it was sent before anybody knew.
        if now < self.reduced_at + self.rtt {
            return;
        }
        // Whoever has less than before leaves room for others (section 4.7).
        let less = self.window < self.largest;
        self.largest = if less {
            self.window * (1.0 + BETA) / 2.0
        } else {
            self.window
        };
        self.window = (self.window * BETA).max(LEAST);
        self.threshold = self.window;
        self.reduced_at = now;
    }

    fn on_acked(&mut self, now: u64, segment: &Segment, used: bool) {
        self.rtt = now - segment.sent;
        if !used {
            return;
        }
        let acked = segment.payload as f64 / SEGMENT as f64;
        if self.window < self.threshold {
            self.window += acked;
            return;
        }
        let since = (now + self.rtt - self.reduced_at) as f64 / SECOND as f64;
        let plateau = (self.largest * (1.0 - BETA) / C).cbrt();
        let target = C * (since - plateau).powi(3) + self.largest;
        let target = target.clamp(self.window, self.window * 1.5);
        self.window += acked * (target - self.window) / self.window;
    }
}
