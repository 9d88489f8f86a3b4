//! Everything a schedule is made of, drawn from its seed and printed when it fails.

use std::time::Duration;

use unbroken_proto::SessionConfig;
use unbroken_proto::config::WindowBudget;
use unbroken_proto::reconnect::Backoff;
use unbroken_tests::rng::Rng;

use crate::fault::Swarm;
use crate::kernel::Style;
use crate::net::Shape;

/// See the module.
#[derive(Clone, Debug)]
pub struct Options {
    /// Clients that begin.
    pub clients: usize,
    /// Their limits and timers.
    pub client: SessionConfig,
    /// The server's.
    pub server: SessionConfig,
    /// When clients dial again.
    pub backoff: Backoff,
    /// How bytes travel.
    pub shape: Shape,
    /// How the executor behaves.
    pub style: Style,
    /// What the clients' applications do.
    pub client_work: Work,
    /// What the server's do.
    pub server_work: Work,
    /// Which faults.
    pub swarm: Swarm,
    /// Mean time between faults, in nanoseconds.
    pub fault_every: u64,
    /// Faults until the network is well again.
    pub faults: u64,
    /// Of a thousand connections, those over WebSocket.
    pub websocket: u64,
    /// Who closes at the end.
    pub closers: Closers,
    /// A future that waits is dropped after so many polls in a thousand, and tried again.
    pub cancel: u64,
    /// Nothing is forgiven that is known to be wrong.
    pub strict: bool,
}

/// Who closes when all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closers {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Both.
    Both,
    /// Nobody by word: the client's application lets go of everything.
    Drop,
}

/// What an application does with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Streams it opens.
    pub streams: u64,
    /// Messages, or writes, on each half it writes.
    pub messages: u64,
    /// Largest of them.
    pub size: u64,
    /// Time between two, at most, in nanoseconds.
    pub pause: u64,
    /// Writes on streams that the peer opened.
    pub answers: bool,
    /// Of a thousand reads, those before which it rests.
    pub dawdles: u64,
}

const MS: u64 = 1_000_000;

impl Options {
    /// A quiet world, with nobody in it and everything as it is by default.
    #[must_use]
    pub fn plain() -> Options {
        Options {
            clients: 0,
            client: SessionConfig::default(),
            server: SessionConfig::default(),
            backoff: Backoff::default(),
            shape: Shape::plain(),
            style: Style::plain(),
            client_work: Work::none(),
            server_work: Work::none(),
            swarm: Swarm::of(Vec::new()),
            fault_every: MS,
            faults: 0,
            websocket: 0,
            closers: Closers::Client,
            cancel: 0,
            strict: true,
        }
    }

    /// Draws everything.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Options {
        Options {
            clients: usize::try_from(*rng.pick(&[1, 1, 2, 3])).unwrap_or(1),
            client: draw_config(rng),
            server: draw_config(rng),
            backoff: draw_backoff(rng),
            shape: Shape::draw(rng),
            style: Style::draw(rng),
            client_work: Work::draw(rng),
            server_work: Work::draw(rng),
            swarm: Swarm::draw(rng),
            fault_every: rng.scaled(2 * MS, 4_000 * MS),
            faults: *rng.pick(&[12, 0, 3, 25, 50]),
            websocket: *rng.pick(&[500, 0, 1_000]),
            closers: *rng.pick(&[Closers::Client, Closers::Server, Closers::Both, Closers::Drop]),
            cancel: *rng.pick(&[0, 50, 400]),
            strict: false,
        }
    }
}

fn draw_backoff(rng: &mut Rng) -> Backoff {
    let short = rng.chance(500);
    Backoff::default()
        .with_first(Duration::from_millis(*rng.pick(&[100, 10, 20])))
        .with_base(Duration::from_millis(if short { 20 } else { 200 }))
        .with_cap(Duration::from_millis(if short { 500 } else { 5_000 }))
        .with_attempts(if rng.chance(50) { Some(20) } else { None })
        .with_stable_after(Duration::from_millis(*rng.pick(&[10_000, 100, 1_000])))
}

fn draw_config(rng: &mut Rng) -> SessionConfig {
    let mut config = SessionConfig::default();
    if rng.chance(500) {
        config.outbox_limit = *rng.pick(&[2_048, 4_096, 20_000, 100_000]);
    }
    if rng.chance(300) {
        config.inbox_limit = 65_536;
    }
    if rng.chance(500) {
        config.stream_window = *rng.pick(&[256, 1_100, 16_000, 65_536]);
    }
    if rng.chance(400) {
        config.session_window = *rng.pick(&[256, 1_500, 20_000, 65_536]);
    }
    if rng.chance(400) {
        config.max_stream_window = *rng.pick(&[256, 20_000, 1 << 30]);
        config.max_session_window = *rng.pick(&[256, 50_000, 1 << 30]);
    }
    if rng.chance(300) {
        config.window_budget = Some(WindowBudget::new(*rng.pick(&[1 << 30, 0, 10_000])));
    }
    if rng.chance(400) {
        config.max_streams = *rng.pick(&[8, 1, 2, 3]);
    }
    if rng.chance(400) {
        config.fragment_size = *rng.pick(&[1_000, 1_001, 64_000]);
    }
    if rng.chance(300) {
        config.keepalive_interval = Duration::from_millis(*rng.pick(&[100, 1_000, 3_600_000]));
    }
    if config.keepalive_interval < Duration::from_secs(1) {
        // A ping every 100 ms for ten minutes is a test of patience.
        config.detached_lifetime = Duration::from_secs(60);
    }
    if rng.chance(200) {
        config.keepalive_timeout = Duration::from_millis(*rng.pick(&[1_000, 5_000]));
    }
    if rng.chance(400) {
        config.ack_delay = Duration::from_millis(*rng.pick(&[0, 1, 1_000]));
    }
    if rng.chance(150) {
        config.detached_lifetime = Duration::from_millis(*rng.pick(&[20_000, 60_000]));
    }
    if rng.chance(300) {
        config.handshake_timeout = Duration::from_millis(*rng.pick(&[800, 3_000]));
        config.dial_timeout = Duration::from_millis(*rng.pick(&[10_000, 500]));
    }
    if rng.chance(400) {
        config.drain_timeout = Duration::from_millis(*rng.pick(&[1, 50]));
    }
    config.linger = Duration::from_millis(*rng.pick(&[10_000, 60_000, 2_000]));
    config
}

impl Work {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Work {
        Work {
            streams: 0,
            messages: 0,
            size: 0,
            pause: 0,
            answers: false,
            dawdles: 0,
        }
    }

    fn draw(rng: &mut Rng) -> Work {
        let huge = rng.chance(80);
        Work {
            streams: *rng.pick(&[1, 0, 2, 3, 5]),
            messages: if huge { rng.between(0, 3) } else { rng.scaled(0, 40) },
            size: if huge {
                300_000
            } else {
                *rng.pick(&[100, 0, 20, 1_500, 5_000, 40_000])
            },
            pause: rng.scaled(1, 2_000 * MS),
            answers: rng.chance(500),
            dawdles: *rng.pick(&[0, 0, 100]),
        }
    }
}
