//! What one schedule is made of, drawn from its seed.

use unbroken_proto::config::{Heartbeat, Stuck};
use unbroken_proto::security::{AtRest, Auth, ServerAuth, SharedSecret};
use unbroken_proto::time::Duration;
use unbroken_proto::{ClientConfig, ServerConfig, SessionConfig};

use super::plan::Plan;
use crate::rng::Rng;

/// A millisecond in nanoseconds, as everything here is counted.
pub(super) const MS: u64 = 1_000_000;
/// A second.
pub(super) const SECOND: u64 = 1_000 * MS;

/// What a schedule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Processes die and come back.
    Plain,
    /// So do the nodes of a server, which share a store, and a client comes to any of them.
    Fleet,
    /// One end, by its index, is restarted once from what its disk held earlier.
    Rollback(usize),
    /// One end runs twice from one copy of its disk.
    Copies(usize),
    /// A second process takes the disk of one end over while the first still runs.
    Fenced(usize),
}

/// Who closes, when and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// 0: the client, 1: the server, 2: both.
    pub by: usize,
    /// After the begin; `None`: when everything has arrived.
    pub after: Option<u64>,
    /// Without waiting for anything.
    pub abort: bool,
}

/// How one end's disk behaves.
#[derive(Clone, Copy, Debug)]
pub struct DiskShape {
    /// A write takes this at most; 0: none takes any time.
    pub latency: u64,
    /// It fails for good once, by permille of schedules.
    pub fails: bool,
}

/// Everything that is drawn before a schedule begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it is about.
    pub scenario: Scenario,
    /// Whether each end is durable.
    pub durable: [bool; 2],
    /// How what is kept is protected.
    pub sealed: bool,
    /// Whether each end's application keeps its own marks, or relies on the journal's.
    pub own_marks: [bool; 2],
    /// Limits of each end.
    pub sessions: [SessionConfig; 2],
    /// The streams.
    pub plans: Vec<Plan>,
    /// Each end's disk.
    pub disks: [DiskShape; 2],
    /// One way, at most.
    pub latency: u64,
    /// How many faults there are, and how far apart at most.
    pub faults: u64,
    /// The longest time between two of them.
    pub fault_every: u64,
    /// An application has a turn this often at least.
    pub rhythm: u64,
    /// How the session is closed.
    pub closing: Closing,
    /// Whether one process stays away longer than a detached session lives.
    pub long_absence: bool,
    /// A session lives without a connection for so long.
    pub lifetime: u64,
}

impl Options {
    /// Draws them.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Options {
        let scenario = match rng.below(100) {
            0..=52 => Scenario::Plain,
            53..=69 => Scenario::Fleet,
            70..=81 => Scenario::Rollback(usize::from(rng.chance(500))),
            82..=92 => Scenario::Copies(usize::from(rng.chance(500))),
            _ => Scenario::Fenced(usize::from(rng.chance(500))),
        };
        let mut durable = [true; 2];
        if scenario == Scenario::Plain && rng.chance(120) {
            durable[usize::from(rng.chance(500))] = false;
        }
        let long_absence = scenario == Scenario::Plain && rng.chance(60);
        let lifetime = if long_absence { 60 * SECOND } else { 900 * SECOND };
        let sealed = rng.chance(800);
        let sessions = [
            session(rng, durable[0], sealed, lifetime),
            session(rng, durable[1], sealed, lifetime),
        ];
        let few = sessions.iter().any(|config| config.max_streams < 6);
        // What is queued on a stream that waits for its slot may take half of the outbox from the one that has it.
        let parts = if few { 4 } else { 2 };
        let largest = sessions
            .iter()
            .map(|config| (config.outbox_limit / parts).min(100_000))
            .min()
            .unwrap_or(0);
        let big = rng.chance(300);
        let plans = (0..rng.between(1, 6))
            .map(|key| Plan::draw(rng, key, if big { largest } else { 3_000 }, few))
            .collect();
        let faults = rng.scaled(0, 24);
        Options {
            scenario,
            durable,
            sealed,
            own_marks: [rng.chance(600), rng.chance(600)],
            sessions,
            plans,
            disks: [disk(rng), disk(rng)],
            latency: rng.scaled(MS / 10, 80 * MS),
            faults: if matches!(scenario, Scenario::Plain | Scenario::Fleet) {
                faults
            } else {
                faults.max(4)
            },
            fault_every: rng.scaled(5 * MS, 4 * SECOND),
            rhythm: rng.scaled(MS, 200 * MS),
            closing: Closing {
                by: usize::try_from(rng.below(3)).unwrap_or(0),
                after: rng.chance(250).then(|| rng.scaled(20 * MS, 20 * SECOND)),
                abort: rng.chance(150),
            },
            long_absence,
            lifetime,
        }
    }

    /// Whether something other than the applications may end the session.
    #[must_use]
    pub fn may_end(&self) -> bool {
        !matches!(self.scenario, Scenario::Plain | Scenario::Fleet)
            || self.long_absence
            || self.durable != [true; 2]
            || self.disks.iter().any(|disk| disk.fails)
    }

    /// The client's configuration.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new(Auth::secret(shared()));
        config.session = self.sessions[0].clone();
        config
    }

    /// The server's.
    #[must_use]
    pub fn server(&self) -> ServerConfig {
        let mut config = ServerConfig::new(ServerAuth::secrets(vec![shared()]));
        config.session = self.sessions[1].clone();
        config
    }
}

fn shared() -> SharedSecret {
    SharedSecret::from_key(b"durable", [7; 32]).expect("because the hint is short")
}

fn session(rng: &mut Rng, durable: bool, sealed: bool, lifetime: u64) -> SessionConfig {
    let mut config = SessionConfig::default();
    let at_rest = if sealed {
        AtRest::sealed([9; 32])
    } else {
        AtRest::in_the_clear()
    };
    config.durable = durable.then_some(at_rest);
    if rng.chance(500) {
        config.fragment_size = usize::try_from(rng.scaled(1_000, 16_384)).unwrap_or(1_000);
    }
    if rng.chance(400) {
        config.stream_window = rng.scaled(4_096, 200_000);
        config.max_stream_window = config.stream_window * rng.between(1, 4);
        config.session_window = rng.scaled(8_192, 400_000);
        config.max_session_window = config.session_window * rng.between(1, 4);
        if rng.chance(200) {
            // It does not grow.
            config.max_session_window = config.session_window / 4;
        }
    }
    if rng.chance(400) {
        config.outbox_limit = usize::try_from(rng.scaled(16_384, 1 << 20)).unwrap_or(1 << 20);
    }
    if rng.chance(100) {
        config.max_streams = rng.between(1, 3);
    }
    let interval = Duration::from_nanos(rng.scaled(200 * MS, 10 * SECOND));
    config.stuck = Stuck::never();
    config.detached_lifetime = Duration::from_nanos(lifetime);
    config.linger = Duration::from_secs(120);
    config.with_heartbeat(Heartbeat::counted(interval, 3))
}

fn disk(rng: &mut Rng) -> DiskShape {
    DiskShape {
        latency: if rng.chance(300) {
            0
        } else {
            rng.scaled(MS / 100, 100 * MS)
        },
        fails: rng.chance(30),
    }
}
