//! The highest delivery rate of the last rounds.

/// Rounds after which a sample is old; it counts until twice as many have passed.
const ROUNDS: u8 = 5;

/// A maximum over five to ten rounds, in bytes a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HighestRate {
    recent: u64,
    before: u64,
    rounds: u8,
    full: bool,
}

impl HighestRate {
    /// What is known is this one sample.
    pub(super) fn of(rate: u64) -> HighestRate {
        HighestRate {
            recent: rate,
            full: true,
            ..HighestRate::default()
        }
    }

    pub(super) fn sample(&mut self, rate: u64) {
        self.recent = self.recent.max(rate);
        self.full = true;
    }

    /// A sample that counts only if it is higher than what is known.
    pub(super) fn raise(&mut self, rate: u64) {
        if self.highest().is_none_or(|highest| rate > highest) {
            self.recent = rate;
        }
    }

    /// A round is over in which there was enough to send.
    pub(super) fn end_round(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds >= ROUNDS && self.recent > 0 {
            *self = HighestRate {
                recent: 0,
                before: self.recent,
                rounds: 0,
                full: self.full,
            };
        }
    }

    /// Whether any sample was taken while there was enough to send.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// `None`: nothing is known.
    pub(super) fn highest(&self) -> Option<u64> {
        Some(self.recent.max(self.before)).filter(|rate| *rate > 0)
    }
}
