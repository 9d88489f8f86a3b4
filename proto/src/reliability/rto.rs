//! How long an acknowledgement is waited for, as in RFC 6298 section 2, with bounds of the caller's.

use super::rtt::Rtt;
use crate::time::Duration;

/// What a host's timers can do: the G of RFC 6298.
const GRANULARITY: Duration = Duration::from_millis(10);

/// The estimate, for those who send on something that may lose what it carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rto {
    rtt: Rtt,
    rttvar: Duration,
    /// Before anything was measured.
    initial: Duration,
    least: Duration,
    most: Duration,
}

impl Rto {
    pub(crate) fn new(initial: Duration, least: Duration, most: Duration) -> Rto {
        Rto {
            rtt: Rtt::default(),
            rttvar: Duration::ZERO,
            initial,
            least,
            most,
        }
    }

    /// A measured round trip. By Karn's rule none is measured of what was sent twice: the caller knows.
    pub(crate) fn sample(&mut self, rtt: Duration) {
        self.rttvar = match self.rtt.srtt() {
            None => rtt / 2,
            Some(srtt) => (self.rttvar * 3 + srtt.abs_diff(rtt)) / 4,
        };
        self.rtt.sample(rtt);
    }

    pub(crate) fn srtt(&self) -> Option<Duration> {
        self.rtt.srtt()
    }

    /// How long to wait after `doublings` waits in vain.
    pub(crate) fn wait(&self, doublings: u32) -> Duration {
        let once = match self.rtt.srtt() {
            None => self.initial,
            Some(srtt) => srtt + GRANULARITY.max(self.rttvar.saturating_mul(4)),
        };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        once.max(self.least).saturating_mul(factor).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn rto() -> Rto {
        Rto::new(MS * 200, MS * 20, MS * 2_000)
    }

    #[test]
    fn the_variation_is_waited_for_four_times() {
        let mut rto = rto();
        assert_eq!((rto.wait(0), rto.srtt()), (MS * 200, None));
        rto.sample(MS * 100);
        assert_eq!(rto.wait(0), MS * 300, "100 and four times half of it");
        rto.sample(MS * 100);
        assert_eq!(rto.wait(0), MS * 250, "the variation is three quarters of what it was");
        for _ in 0..100 {
            rto.sample(MS * 100);
        }
        assert_eq!(rto.wait(0), MS * 110, "no less than what a timer can tell");
    }

    #[test]
    fn waits_double_within_their_bounds() {
        let mut rto = rto();
        assert_eq!(
            (rto.wait(1), rto.wait(2), rto.wait(40)),
            (MS * 400, MS * 800, MS * 2_000)
        );
        for _ in 0..100 {
            rto.sample(MS);
        }
        assert_eq!(rto.wait(0), MS * 20);
    }
}
