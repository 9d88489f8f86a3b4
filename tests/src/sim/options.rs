//! Everything a schedule is made of, drawn from its seed and printed when it fails.

use unbroken_proto::SessionConfig;
use unbroken_proto::config::WindowBudget;
use unbroken_proto::reconnect::Backoff;
use unbroken_proto::security::Suite;
use unbroken_proto::time::Duration;

use super::fault::Swarm;
use crate::rng::Rng;

/// See the module.
#[derive(Clone, Debug)]
pub struct Options {
    /// Client processes.
    pub clients: usize,
    /// The clients' limits and timers.
    pub client: SessionConfig,
    /// The server's.
    pub server: SessionConfig,
    /// When clients dial again.
    pub backoff: Backoff,
    /// What both ends speak.
    pub suite: Suite,
    /// How carriers behave.
    pub carrier: CarrierShape,
    /// How the clients' hosts behave.
    pub client_host: HostStyle,
    /// How the server's do.
    pub server_host: HostStyle,
    /// What the clients' applications do.
    pub client_app: Work,
    /// What the server's do.
    pub server_app: Work,
    /// Which faults.
    pub swarm: Swarm,
    /// Mean time between faults, in nanoseconds.
    pub fault_every: u64,
    /// Faults until the network is well again.
    pub faults: u64,
    /// Sessions the registry holds.
    pub max_sessions: usize,
    /// Unproven connections it holds.
    pub max_silent: usize,
    /// Tombstones the registry keeps.
    pub max_tombstones: usize,
    /// For how long.
    pub tombstone_lifetime: Duration,
    /// How long a report of an owner's may take to reach the registry, in nanoseconds.
    pub report_delay: u64,
    /// A client whose session is over is followed by another at once.
    pub renews: bool,
    /// Strikes at the worst moments, at most.
    pub strikes: u64,
    /// Who closes at the end.
    pub closers: Closers,
}

/// Who closes when all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closers {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Both at the same instant.
    Both,
}

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarrierShape {
    /// Of a thousand connections, how many are byte streams (the rest carry packets).
    pub streams: u64,
    /// One way, in nanoseconds.
    pub latency: u64,
    /// Added at most, in nanoseconds.
    pub jitter: u64,
    /// Bytes a second.
    pub bandwidth: u64,
    /// Bytes the sending side buffers before it has no room.
    pub buffer: usize,
    /// Pieces a packet arrives in, on byte streams.
    pub pieces: u64,
    /// Feed the framing one byte at a time.
    pub bytewise: bool,
    /// What stands on the way.
    pub gateway: Option<Gateway>,
}

/// Something on the way that lets no packet through that is longer than it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// In bytes.
    pub longest: usize,
    /// What becomes of the connection that has a longer one.
    pub manner: Manner,
}

/// How a gateway deals with a packet that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It closes the connection, and says why to who sent the packet.
    Tells,
    /// It closes the connection.
    Closes,
    /// It closes the connection towards who sent the packet; the other end hears nothing.
    ClosesHalf,
    /// It lets nothing more through.
    Swallows,
}

impl Gateway {
    /// Any.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Gateway {
        Gateway {
            longest: usize::try_from(*rng.pick(&[1_200u64, 1_201, 1_500, 4_096, 9_000])).unwrap_or(1_200),
            manner: *rng.pick(&[Manner::Tells, Manner::Closes, Manner::ClosesHalf, Manner::Swallows]),
        }
    }
}

/// How a host drives its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostStyle {
    /// Asks again and again although nothing happened.
    pub eager: bool,
    /// Drains events only in part, this often in a thousand.
    pub partial: u64,
    /// Asks for packets only in part, this often in a thousand.
    pub reluctant: u64,
    /// Feeds what arrives after a connection was given up, this often in a thousand.
    pub late: u64,
    /// Attaches a dial that the machine gave up, this often in a thousand.
    pub careless: u64,
    /// Time from an input to the polls, at most, in nanoseconds.
    pub sluggish: u64,
}

/// What an application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Streams it opens.
    pub streams: u64,
    /// Messages (or writes) on each half it writes.
    pub messages: u64,
    /// Largest message.
    pub size: u64,
    /// Messages at a time.
    pub burst: u64,
    /// Time between bursts, in nanoseconds.
    pub pause: u64,
    /// Chunks read at a time.
    pub reads: u64,
    /// Only acts on events (else tries everything every time).
    pub by_events: bool,
    /// Half-closes what it has written, this often in a thousand.
    pub finishes: u64,
    /// Writes on streams that the peer opened.
    pub answers: bool,
}

const MS: u64 = 1_000_000;
/// The delay of reports where they are not in question.
pub(super) const PROMPT: u64 = 20 * MS;

impl Options {
    /// Draws everything.
    #[must_use]
    pub fn draw(rng: &mut Rng, suites: &[Suite]) -> Options {
        let client_app = Work::draw(rng);
        let server_app = Work::draw(rng);
        Options {
            clients: usize::try_from(*rng.pick(&[1, 1, 1, 2, 3])).unwrap_or(1),
            client: draw_config(rng),
            server: draw_config(rng),
            backoff: draw_backoff(rng),
            suite: *rng.pick(suites),
            carrier: CarrierShape::draw(rng),
            client_host: HostStyle::draw(rng),
            server_host: HostStyle::draw(rng),
            client_app,
            server_app,
            swarm: Swarm::draw(rng),
            fault_every: rng.scaled(2 * MS, 4_000 * MS),
            faults: *rng.pick(&[12, 0, 3, 25, 50]),
            max_sessions: usize::try_from(*rng.pick(&[100, 100, 3, 1])).unwrap_or(1),
            max_silent: usize::try_from(*rng.pick(&[64, 8, 64, 2])).unwrap_or(1),
            max_tombstones: 100_000,
            tombstone_lifetime: Duration::from_secs(3_600),
            report_delay: PROMPT,
            renews: false,
            strikes: 0,
            closers: *rng.pick(&[Closers::Client, Closers::Server, Closers::Both]),
        }
    }
}

fn draw_backoff(rng: &mut Rng) -> Backoff {
    let short = rng.chance(500);
    Backoff::default()
        .with_first(Duration::from_millis(*rng.pick(&[100, 0, 5])))
        .with_base(Duration::from_millis(if short { 20 } else { 200 }))
        .with_cap(Duration::from_millis(if short { 500 } else { 5_000 }))
        .with_attempts(if rng.chance(30) { Some(20) } else { None })
        .with_stable_after(Duration::from_millis(*rng.pick(&[10_000, 100, 1_000])))
}

fn draw_config(rng: &mut Rng) -> SessionConfig {
    let mut config = SessionConfig::default();
    if rng.chance(600) {
        config.outbox_limit = *rng.pick(&[1 << 20, 2_048, 4_096, 20_000, 100_000]);
    }
    if rng.chance(600) {
        config.inbox_limit = *rng.pick(&[1 << 20, 65_536, 70_000]);
    }
    if rng.chance(600) {
        config.stream_window = *rng.pick(&[512 << 10, 256, 300, 1_100, 16_000, 65_536]);
    }
    if rng.chance(500) {
        config.session_window = *rng.pick(&[1 << 20, 256, 1_500, 20_000, 65_536]);
    }
    if rng.chance(600) {
        // From none to more than anybody sends.
        config.max_stream_window = *rng.pick(&[256, 600, 20_000, 1 << 20, 1 << 30]);
        config.max_session_window = *rng.pick(&[256, 3_000, 50_000, 1 << 20, 1 << 30]);
    }
    if rng.chance(400) {
        config.window_budget = Some(WindowBudget::new(*rng.pick(&[1 << 30, 0, 400, 10_000, 200_000])));
    }
    if rng.chance(500) {
        config.max_streams = *rng.pick(&[256, 1, 2, 3, 8]);
    }
    if rng.chance(500) {
        config.fragment_size = *rng.pick(&[16_000, 1_000, 1_001, 64_000]);
    }
    if rng.chance(150) {
        config.packet_limit = usize::try_from(*rng.pick(&[1_200u64, 1_300, 5_000, 20_000])).unwrap_or(1_200);
    }
    if rng.chance(400) {
        config.keepalive_interval = Duration::from_millis(*rng.pick(&[10_000, 20, 1_000, 3_600_000]));
    }
    if config.keepalive_interval < Duration::from_secs(1) {
        // A ping every 20 ms for ten minutes is a test of patience.
        config.detached_lifetime = Duration::from_secs(20);
    }
    if rng.chance(200) {
        config.keepalive_timeout = Duration::from_millis(*rng.pick(&[30_000, 1_000, 5_000]));
    }
    if rng.chance(400) {
        config.ack_delay = Duration::from_millis(*rng.pick(&[25, 0, 1, 1_000]));
    }
    if rng.chance(150) {
        config.detached_lifetime = Duration::from_millis(*rng.pick(&[600_000, 20_000, 60_000]));
    }
    if rng.chance(300) {
        config.handshake_timeout = Duration::from_millis(*rng.pick(&[10_000, 800, 3_000]));
        config.dial_timeout = Duration::from_millis(*rng.pick(&[10_000, 500]));
    }
    if rng.chance(400) {
        config.drain_timeout = Duration::from_millis(*rng.pick(&[5_000, 1, 50]));
    }
    config.linger = Duration::from_millis(*rng.pick(&[10_000, 60_000, 2_000]));
    config
}

impl CarrierShape {
    fn draw(rng: &mut Rng) -> CarrierShape {
        CarrierShape {
            streams: *rng.pick(&[500, 0, 1_000]),
            latency: *rng.pick(&[1, 0, 20, 150]) * MS,
            jitter: *rng.pick(&[0, 1, 30]) * MS,
            bandwidth: *rng.pick(&[100_000_000, 1_000_000, 60_000]),
            buffer: usize::try_from(*rng.pick(&[65_536u64, 1, 2_000, 400_000])).unwrap_or(1),
            pieces: *rng.pick(&[1, 2, 5]),
            bytewise: rng.chance(60),
            gateway: None,
        }
    }
}

impl HostStyle {
    fn draw(rng: &mut Rng) -> HostStyle {
        HostStyle {
            eager: rng.chance(400),
            partial: *rng.pick(&[0, 0, 300, 900]),
            reluctant: *rng.pick(&[0, 0, 200]),
            late: *rng.pick(&[0, 500, 1_000]),
            careless: *rng.pick(&[0, 500]),
            sluggish: *rng.pick(&[0, 0, 1, 30]) * MS,
        }
    }
}

impl Work {
    fn draw(rng: &mut Rng) -> Work {
        let huge = rng.chance(80);
        Work {
            streams: *rng.pick(&[1, 0, 2, 3, 6]),
            messages: if huge { rng.between(0, 3) } else { rng.scaled(0, 60) },
            size: if huge {
                300_000
            } else {
                *rng.pick(&[100, 0, 20, 1_500, 5_000, 40_000])
            },
            burst: *rng.pick(&[4, 1, 50]),
            pause: rng.scaled(MS, 2_000 * MS),
            reads: *rng.pick(&[1_000, 1, 3]),
            by_events: rng.chance(600),
            finishes: *rng.pick(&[500, 0, 1_000]),
            answers: rng.chance(500),
        }
    }
}
