//! What came of a run.

use unbroken_proto::{Duration, Instant};

use crate::ssm::gateway::Counts;
use crate::ssm::source::Source;

/// One direction.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Bytes that the application had to send.
    pub offered: usize,
    /// Bytes that its end took.
    pub taken: usize,
    /// What was delivered at the other end.
    pub delivered: Vec<u8>,
    /// Whether that is all of it, byte for byte.
    pub equal: bool,
    /// Whether it is at least the beginning of it.
    pub intact: bool,
    /// What the service saw of the end that sends.
    pub counts: Counts,
}

impl Transfer {
    pub(super) fn new(source: &Source, taken: usize, delivered: Vec<u8>, counts: Counts) -> Transfer {
        let bytes = source.bytes();
        Transfer {
            offered: bytes.len(),
            taken,
            equal: bytes == delivered,
            intact: bytes.starts_with(&delivered),
            delivered,
            counts,
        }
    }
}

/// How a cut was got over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// When the cut was.
    pub cut: Instant,
    /// When both ends had a connection again, and how much they had taken from their applications by then: the client and the
    /// agent.
    pub connected: Option<(Instant, usize, usize)>,
    /// When all of that was delivered.
    pub recovered: Option<Instant>,
}

impl Recovery {
    pub(super) fn new(cut: Instant) -> Recovery {
        Recovery {
            cut,
            connected: None,
            recovered: None,
        }
    }

    pub(super) fn update(&mut self, now: Instant, connected: bool, taken: (usize, usize), delivered: (usize, usize)) {
        if self.recovered.is_some() {
            return;
        }
        if connected && now > self.cut {
            self.connected.get_or_insert((now, taken.0, taken.1));
        }
        let Some((_, up, down)) = self.connected else { return };
        if delivered.0 >= up && delivered.1 >= down {
            self.recovered = Some(now);
        }
    }

    /// How long it took, if it ever was.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.recovered.map(|at| at.saturating_since(self.cut))
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// From the client to the agent.
    pub up: Transfer,
    /// From the agent to the client.
    pub down: Transfer,
    /// Not everything arrived, and nothing moved any more.
    pub wedged: bool,
    /// Why the client's process ended, if it did.
    pub client_ended: Option<String>,
    /// Why the agent's process ended, if it did.
    pub agent_ended: Option<String>,
    /// How long it went on.
    pub time: Duration,
    /// When a byte was last taken or delivered.
    pub last_moved: Duration,
    /// The cuts.
    pub recoveries: Vec<Recovery>,
    /// When the ends dialled: the client and the agent.
    pub dials: (Vec<Instant>, Vec<Instant>),
}

impl Outcome {
    /// Whether everything arrived in both directions, byte for byte.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.up.equal && self.down.equal
    }

    /// The longest time from a cut until everything that was taken until the connections were back was delivered; `None` when that
    /// never was.
    #[must_use]
    pub fn slowest_recovery(&self) -> Option<Duration> {
        let took: Option<Vec<Duration>> = self.recoveries.iter().map(Recovery::took).collect();
        took.map(|took| took.into_iter().max().unwrap_or_default())
    }
}
