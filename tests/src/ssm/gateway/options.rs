//! What can be set about the service.

use std::collections::BTreeSet;

use unbroken_proto::{Duration, Instant};

use crate::rng::Rng;
use crate::ssm::peer::DialError;

/// An end of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The client.
    Client,
    /// The agent.
    Agent,
}

impl End {
    /// The one it talks to.
    #[must_use]
    pub fn other(self) -> End {
        match self {
            End::Client => End::Agent,
            End::Agent => End::Client,
        }
    }
}

/// Whose sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The client's.
    Client,
    /// The agent's.
    Agent,
    /// Both.
    Both,
}

impl Whom {
    /// Whether it means this end.
    #[must_use]
    pub fn is(self, end: End) -> bool {
        match self {
            Whom::Client => end == End::Client,
            Whom::Agent => end == End::Agent,
            Whom::Both => true,
        }
    }
}

/// How long a message is on the way between an end and the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// To the service.
    pub up: Duration,
    /// From the service.
    pub down: Duration,
}

/// Sockets that die once.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// When.
    pub at: Instant,
    /// Whose.
    pub whom: Whom,
}

impl Cut {
    /// So many cuts from `from` to `until`, of any end or both.
    pub fn random(rng: &mut Rng, count: usize, from: Instant, until: Instant) -> Vec<Cut> {
        let one = |_| Cut {
            at: Instant::from_nanos(rng.between(from.as_nanos(), until.as_nanos())),
            whom: *rng.pick(&[Whom::Client, Whom::Agent, Whom::Both]),
        };
        (0..count).map(one).collect()
    }
}

/// A time in which dials fail.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// Whose dials.
    pub whom: Whom,
    /// From then on.
    pub from: Instant,
    /// Until then.
    pub until: Instant,
    /// How.
    pub error: DialError,
}

impl Outage {
    /// Whether a dial of this end fails now.
    #[must_use]
    pub fn hits(&self, end: End, now: Instant) -> bool {
        self.whom.is(end) && self.from <= now && now < self.until
    }
}

/// Asks the agent to pause when it sends too fast.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// Sequenced frames of the agent in a second that are too many,
    pub per_second: u64,
    /// in so many seconds one after another.
    pub seconds: u32,
    /// In how many of a thousand cases it lets the agent go on,
    pub starts: u64,
    /// after this time.
    pub after: Duration,
}

impl Default for Pause {
    fn default() -> Pause {
        Pause {
            per_second: 1_000,
            seconds: 2,
            starts: 300,
            after: Duration::from_secs(2),
        }
    }
}

/// What the service does. The default is one that forwards at once, for ever.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The client's leg.
    pub client: Delay,
    /// The agent's leg.
    pub agent: Delay,
    /// Most that a message is late beyond that, in microseconds. Messages of one leg never overtake each other.
    pub jitter: u64,
    /// How old a connection gets: an hour, at the live service.
    pub closes_after: Option<Duration>,
    /// Sockets that die.
    pub cuts: Vec<Cut>,
    /// Dials that fail.
    pub outages: Vec<Outage>,
    /// Sequenced frames of an end that are lost the first time they come.
    pub loses: BTreeSet<(End, i64)>,
    /// Whether acknowledgements of an end are lost, all of them.
    pub loses_acknowledgements: Option<End>,
    /// Whether what the client sends before the session has begun is discarded.
    pub discards_early_data: bool,
    /// Pauses an agent that is too fast.
    pub pause: Option<Pause>,
    /// Acknowledges on the client's behalf what the client has acknowledged before, which no real service does.
    pub acknowledges_for_client: bool,
}

impl Options {
    /// As the rig that the programs were measured with: a relay on the same machine that holds each frame for half of the round trip
    /// before it passes it on.
    #[must_use]
    pub fn relay(round_trip: Duration) -> Options {
        let delay = Delay {
            up: Duration::from_micros(100),
            down: (round_trip / 2).saturating_sub(Duration::from_micros(100)),
        };
        Options {
            client: delay,
            agent: delay,
            ..Options::default()
        }
    }

    /// A network with the same delay on both legs, in both directions.
    #[must_use]
    pub fn network(round_trip: Duration) -> Options {
        let delay = Delay {
            up: round_trip / 4,
            down: round_trip / 4,
        };
        Options {
            client: delay,
            agent: delay,
            ..Options::default()
        }
    }

    pub(super) fn delay(&self, end: End) -> Delay {
        match end {
            End::Client => self.client,
            End::Agent => self.agent,
        }
    }

    pub(super) fn jitter(&self, rng: &mut Rng) -> Duration {
        match self.jitter {
            0 => Duration::ZERO,
            most => Duration::from_micros(rng.between(0, most)),
        }
    }
}
