//! The cases, and what each figure has to be.

use std::fmt;

use unbroken_proto::SessionConfig;

use super::host::Framing;
use super::world::{Link, Socket, World};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// A line, and a session that always has something to send over it, beside a key that is pressed some ten times a second.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Milliseconds.
    pub rtt: u64,
    /// Mbit/s.
    pub rate: u64,
    pub framing: Framing,
    /// A relay with a socket buffer that takes all at once, instead of a socket that keeps little that is not sent.
    pub relay: bool,
}

impl Case {
    fn link(self) -> Link {
        let (rate, rtt) = (self.rate * 125_000, self.rtt * MS);
        let product = rate * rtt / SECOND;
        Link {
            rate,
            rtt,
            buffer: (product * 3 / 2).max(256 << 10),
            socket: if self.relay {
                Socket::Whole((8 << 20).max(product * 4))
            } else {
                Socket::NotSent(64 << 10)
            },
            framing: self.framing,
            open: true,
        }
    }

    /// The defaults, but for lines that hold more than a session has by default.
    #[must_use]
    pub fn config(self) -> SessionConfig {
        let config = SessionConfig::default();
        let product = self.rate * 125 * self.rtt;
        if product * 5 / 2 < config.max_stream_window {
            return config;
        }
        config
            .with_max_stream_window(256 << 20)
            .with_max_session_window(256 << 20)
            .with_outbox_limit(256 << 20)
    }

    fn limits(self) -> Limits {
        let rtt = self.rtt as f64;
        let packet = 1_460.0 * 8.0 / (self.rate as f64 * 1_000.0);
        Limits {
            carried: 0.95,
            queue: (rtt / 4.0).max(50.0),
            key: rtt / 2.0 + (rtt / 4.0).max(50.0).max(4.0 * packet),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let framing = match self.framing {
            Framing::ByteStream => "bytes",
            Framing::WebSocket => "ws",
        };
        let relay = if self.relay { "relay" } else { "" };
        write!(f, "{:>4} ms {:>5} Mbit/s {framing:>5} {relay:>5}", self.rtt, self.rate)
    }
}

/// The bounds of [`Figures`], in the same units.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub carried: f64,
    pub queue: f64,
    pub key: f64,
}

/// What a session made of a line.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Payload, as a part of what the line carries.
    pub carried: f64,
    /// Milliseconds that the slowest of twenty chunks waited before the line.
    pub queue: f64,
    /// Milliseconds that the slowest of a hundred, and the median, of the keystrokes took.
    pub key: f64,
    pub key_median: f64,
    /// Bytes that the sender, and the reader, held at most.
    pub outbox: usize,
    pub unread: usize,
    pub limits: Limits,
}

impl Figures {
    /// What is beyond its bound.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let limits = self.limits;
        let mut faults = Vec::new();
        if self.carried < limits.carried {
            faults.push(format!("carried {:.3}, not {:.2}", self.carried, limits.carried));
        }
        if self.queue > limits.queue {
            faults.push(format!("queue of {:.0} ms, not {:.0}", self.queue, limits.queue));
        }
        if self.key > limits.key {
            faults.push(format!("keystroke of {:.0} ms, not {:.0}", self.key, limits.key));
        }
        faults
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "carried {:>5.3} | queue p95 {:>5.1} of {:>3.0} ms | key p50 {:>5.1}, p99 {:>5.1} of {:>3.0} ms | outbox {:>8} unread {:>8}",
            self.carried,
            self.queue,
            self.limits.queue,
            self.key_median,
            self.key,
            self.limits.key,
            self.outbox,
            self.unread
        )
    }
}

/// Every round trip with every rate, over both carriers, and through a relay.
#[must_use]
pub fn cells() -> Vec<Case> {
    let mut cells = Vec::new();
    for (framing, relay) in [
        (Framing::ByteStream, false),
        (Framing::WebSocket, false),
        (Framing::WebSocket, true),
    ] {
        for rtt in [1, 20, 100, 300] {
            for rate in [1, 10, 100, 1_000] {
                cells.push(Case {
                    rtt,
                    rate,
                    framing,
                    relay,
                });
            }
        }
    }
    cells
}

fn at(sorted: &[u64], part: f64) -> f64 {
    let index = ((sorted.len() as f64) * part) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .map_or(0.0, |nanos| *nanos as f64 / 1e6)
}

/// What the first flow makes of the line during `time`.
fn measure(world: &mut World, time: u64, limits: Limits) -> Figures {
    let (carried, keys, begin) = (world.carried(0), world.host(0, 1).keys.len(), world.now);
    world.waits.clear();
    world.run(time);
    let payload = (world.carried(0) - carried) as f64;
    let mut waits: Vec<u64> = world.waits.iter().map(|(_, wait)| *wait).collect();
    waits.sort_unstable();
    let pressed = world.host(0, 1).keys[keys..].iter();
    let mut keys: Vec<u64> = pressed
        .filter(|(_, made)| *made >= begin)
        .map(|(now, made)| now - made)
        .collect();
    keys.sort_unstable();
    Figures {
        carried: payload / (world.link.rate as f64 * time as f64 / 1e9),
        queue: at(&waits, 0.95),
        key: at(&keys, 0.99),
        key_median: at(&keys, 0.5),
        outbox: world.host(0, 0).most_outbox,
        unread: world.host(0, 1).most_unread,
        limits,
    }
}

pub fn start(case: Case, config: &SessionConfig) -> World {
    let mut world = World::new(case.link());
    world.keys = Some(47 * MS);
    world.add_session(config, None);
    world
}

/// One cell: a session that begins, and what it carries once ten round trips and a second have passed.
#[must_use]
pub fn run(case: Case) -> Figures {
    let mut world = start(case, &case.config());
    let rtt = world.link.rtt;
    world.run(10 * rtt + SECOND);
    let time = (2 * SECOND).max(10 * rtt);
    let first = measure(&mut world, time, case.limits());
    let settled = measure(&mut world, time, case.limits());
    Figures {
        carried: first.carried.min(settled.carried),
        ..settled
    }
}

/// How a line changes.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Slower,
    Faster,
    Longer,
}

/// All of them.
pub const CHANGES: [Change; 3] = [Change::Slower, Change::Faster, Change::Longer];

/// The cells in which changes are tried.
#[must_use]
pub fn changes() -> Vec<Case> {
    let cells = cells().into_iter();
    cells
        .filter(|case| case.rtt > 1 && matches!(case.rate, 10 | 100) && !case.relay)
        .collect()
}

/// What is made of the line once it has changed and twenty round trips have passed.
#[must_use]
pub fn change(case: Case, change: Change) -> Figures {
    let after = match change {
        Change::Slower => Case {
            rate: case.rate / 10,
            ..case
        },
        Change::Faster => Case {
            rate: case.rate * 10,
            ..case
        },
        Change::Longer => Case {
            rtt: case.rtt * 2,
            ..case
        },
    };
    // The session is made for either line.
    let larger = if matches!(change, Change::Slower) { case } else { after };
    let mut world = start(case, &larger.config());
    let rtt = world.link.rtt;
    world.run(20 * rtt + 4 * SECOND);
    world.change(after.rate * 125_000, after.rtt * MS);
    world.run(20 * after.rtt * MS);
    measure(&mut world, SECOND.max(5 * after.rtt * MS), after.limits())
}

/// What each of two flows carries of a line, the first a session and the other a session, too, or a plain byte stream.
#[must_use]
pub fn sharing(case: Case, plain: bool, late: bool) -> [f64; 2] {
    let link = Link {
        open: false,
        ..case.link()
    };
    let mut world = World::new(link);
    world.add_session(&case.config(), None);
    if late {
        world.run(5 * SECOND);
    }
    if plain {
        world.add_plain();
    } else {
        world.add_session(&case.config(), None);
    }
    world.run(20 * SECOND);
    let before = [0, 1].map(|flow| world.carried(flow));
    let time = 150 * SECOND;
    world.run(time);
    let whole = world.link.rate as f64 * time as f64 / 1e9;
    [0, 1].map(|flow| (world.carried(flow) - before[flow]) as f64 / whole)
}

/// What the sender of a reader of `pace` bytes a second holds.
#[must_use]
pub fn slow_reader(case: Case, pace: u64) -> (usize, usize) {
    let mut world = World::new(case.link());
    world.add_session(&case.config(), Some(pace));
    world.run(10 * SECOND);
    (world.host(0, 0).most_outbox, world.host(0, 1).most_unread)
}
