//! What the demo says at its end.

use std::fmt::Write as _;
use std::time::Duration;

/// The demo's result.
pub(crate) struct Summary {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) cuts: u32,
    /// How long the session was without a connection, for each unplanned swap; sorted.
    pub(crate) gaps: Vec<Duration>,
    pub(crate) replayed: u64,
    pub(crate) elapsed: Duration,
    pub(crate) digest_sent: [u8; 32],
    pub(crate) digest_received: [u8; 32],
    pub(crate) seed: u64,
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

impl Summary {
    pub(crate) fn intact(&self) -> bool {
        self.sent == self.received && self.digest_sent == self.digest_received
    }

    /// The gap that `percent` of all are not longer than, in milliseconds.
    fn gap(&self, percent: usize) -> f64 {
        let rank = (self.gaps.len() * percent).div_ceil(100).saturating_sub(1);
        self.gaps.get(rank).copied().map_or(0.0, millis)
    }

    pub(crate) fn json(&self) -> String {
        format!(
            "{{\"bytes_sent\":{},\"bytes_received\":{},\"swaps\":{},\"replayed_bytes\":{},\"resume_ms_p50\":{:.3},\"resume_ms_p99\":{:.3},\"seconds\":{:.3},\"digest_sent\":\"{}\",\"digest_received\":\"{}\",\"intact\":{}}}",
            self.sent,
            self.received,
            self.gaps.len(),
            self.replayed,
            self.gap(50),
            self.gap(99),
            self.elapsed.as_secs_f64(),
            hex(&self.digest_sent),
            hex(&self.digest_received),
            self.intact(),
        )
    }

    pub(crate) fn text(&self) -> String {
        let verdict = if self.intact() {
            "intact: what arrived is what was sent"
        } else {
            "NOT INTACT: what arrived is not what was sent"
        };
        format!(
            "there and back  {} sent, {} received, in {:.2} s\n\
             connections     cut {} times, {} swaps, back after {:.1} ms (median), {:.1} ms (p99)\n\
             replayed        {}\n\
             sha256 sent     {}\n\
             sha256 received {}\n\
             seed            {}\n\
             {verdict}",
            indicatif::BinaryBytes(self.sent),
            indicatif::BinaryBytes(self.received),
            self.elapsed.as_secs_f64(),
            self.cuts,
            self.gaps.len(),
            self.gap(50),
            self.gap(99),
            indicatif::BinaryBytes(self.replayed),
            hex(&self.digest_sent),
            hex(&self.digest_received),
            self.seed,
        )
    }
}
