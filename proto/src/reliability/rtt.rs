//! Round-trip time, smoothed as in RFC 6298 section 2.

use crate::time::Duration;

/// The estimate of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rtt {
    srtt: Option<Duration>,
}

impl Rtt {
    /// A measured round trip. On ordered carriers every one counts: what is sent again after a swap
    /// is timed on the new connection alone, so Karn's ambiguity cannot arise.
    pub(crate) fn sample(&mut self, rtt: Duration) {
        self.srtt = Some(self.srtt.map_or(rtt, |srtt| (srtt * 7 + rtt) / 8));
    }

    pub(crate) fn srtt(self) -> Option<Duration> {
        self.srtt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_counts_whole_and_later_ones_an_eighth() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.srtt(), None);
        rtt.sample(Duration::from_millis(80));
        rtt.sample(Duration::from_millis(160));
        assert_eq!(rtt.srtt(), Some(Duration::from_millis(90)));
    }
}
