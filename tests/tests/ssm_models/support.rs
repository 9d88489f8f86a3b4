//! What the tests share.

use unbroken_proto::{Duration, Instant};
use unbroken_tests::rng::Rng;
use unbroken_tests::ssm::agent::{self, Agent, Kind};
use unbroken_tests::ssm::gateway::{self, Gateway};
use unbroken_tests::ssm::plugin::{self, Plugin};
use unbroken_tests::ssm::run::{self, Outcome, Run};
use unbroken_tests::ssm::source::Source;

/// The one seed of the environment, or `count` of them.
pub(crate) fn seeds(first: u64, count: u64) -> Vec<u64> {
    match given() {
        Some(seed) => vec![seed],
        None => (first..first + count).collect(),
    }
}

/// The seed of the environment. What is counted over the fixed ones is not asked of it.
pub(crate) fn given() -> Option<u64> {
    std::env::var("UNBROKEN_SEED").ok().and_then(|seed| seed.parse().ok())
}

/// Milliseconds from the beginning.
pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// In seconds.
pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// A session between a plugin and an agent.
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) plugin: plugin::Options,
    pub(crate) agent: agent::Options,
    pub(crate) gateway: gateway::Options,
    pub(crate) run: run::Options,
    pub(crate) up: Source,
    pub(crate) down: Source,
}

/// What came of it.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) plugin: Plugin,
    pub(crate) agent: Agent,
}

impl Scenario {
    pub(crate) fn new(seed: u64, kind: Kind, gateway: gateway::Options) -> Scenario {
        Scenario {
            seed,
            plugin: plugin::Options::default(),
            agent: agent::Options::new(kind),
            gateway,
            run: run::Options::default(),
            up: Source::none(),
            down: Source::none(),
        }
    }

    /// Chance for what the applications say.
    pub(crate) fn rng(&self) -> Rng {
        Rng::new(self.seed ^ 0xa991)
    }

    pub(crate) fn ends(&self) -> (Plugin, Agent, Gateway) {
        let mut rng = Rng::new(self.seed);
        (
            Plugin::new(Instant::ZERO, self.plugin.clone(), rng.fork()),
            Agent::new(Instant::ZERO, self.agent.clone(), rng.fork()),
            Gateway::new(self.gateway.clone(), rng.fork()),
        )
    }

    pub(crate) fn run(self) -> Ran {
        let (mut plugin, mut agent, gateway) = self.ends();
        let run = Run::new(self.run, gateway, (&mut plugin, self.up), (&mut agent, self.down));
        let outcome = run.finish();
        Ran { outcome, plugin, agent }
    }
}
