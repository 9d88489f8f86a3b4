//! A population: one registry with its owners, and any number of real client machines, in virtual time. Where
//! the simulator ([`sim`](crate::sim)) looks at one session through bytes, this looks at thousands
//! through packets: connections die, with and without notice, and reports and commands arrive late.

mod client;
mod queue;
mod server;

use std::collections::BTreeMap;

use unbroken_proto::config::{Seed, ServerConfig};
use unbroken_proto::server::Registry;
use unbroken_proto::{Instant, PeerKey};

use crate::rng::Rng;
pub use client::{Client, Reader};
pub use queue::{ConnId, Queue, Scheduled};
pub use server::{Owner, Server, Verdict};

/// A millisecond of virtual time, in nanoseconds.
pub const MS: u64 = 1_000_000;
/// A second.
pub const SECOND: u64 = 1_000 * MS;

/// What connections have to stand.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// A packet takes from so long to so long.
    pub latency: (u64, u64),
    /// A connection lives at most so long; zero: until somebody ends it.
    pub life: u64,
    /// Of a thousand ends of cut connections so many learn of it by their own timers only.
    pub unnoticed: u64,
    /// Of a thousand dials so many are refused.
    pub refused: u64,
    /// Reports to the registry, and commands from it, take up to so long.
    pub report_delay: u64,
}

impl Default for Conditions {
    /// Nothing breaks.
    fn default() -> Conditions {
        Conditions {
            latency: (MS, 20 * MS),
            life: 0,
            unnoticed: 0,
            refused: 0,
            report_delay: 0,
        }
    }
}

impl Conditions {
    /// Connections live for seconds, half of the cuts go unnoticed at one end or the other.
    #[must_use]
    pub fn harsh() -> Conditions {
        Conditions {
            latency: (MS, 80 * MS),
            life: 8 * SECOND,
            unnoticed: 300,
            refused: 200,
            report_delay: 100 * MS,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Population {
    /// Virtual time in nanoseconds.
    pub now: u64,
    /// Chance.
    pub rng: Rng,
    /// What connections have to stand, from now on.
    pub conditions: Conditions,
    /// The server's side.
    pub server: Server,
    /// The clients.
    pub clients: Vec<Client>,
    /// Dials are refused until then.
    pub down_until: u64,
    queue: Queue,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: ConnId,
}

/// One connection.
#[derive(Debug)]
struct Conn {
    client: usize,
    /// When the last packet each way arrives: they stay in order.
    last: [u64; 2],
    /// The ends that still have it: client, server.
    open: [bool; 2],
    cut: bool,
}

/// The client's end of a connection, or the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

impl End {
    fn other(self) -> End {
        match self {
            End::Client => End::Server,
            End::Server => End::Client,
        }
    }
}

impl Population {
    /// Nobody yet.
    ///
    /// # Panics
    /// The configuration is invalid.
    #[must_use]
    pub fn new(seed: u64, config: ServerConfig, conditions: Conditions) -> Population {
        let mut rng = Rng::new(seed);
        let now = SECOND;
        let server = Server::new(registry(config.clone(), rng.seed(), now), config);
        Population {
            now,
            rng,
            conditions,
            server,
            clients: Vec::new(),
            down_until: 0,
            queue: Queue::default(),
            conns: BTreeMap::new(),
            next_conn: 0,
        }
    }

    /// The time as the machines know it.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    /// Lets time pass.
    pub fn run(&mut self, nanos: u64) {
        let until = self.now + nanos;
        while let Some((at, what)) = self.queue.pop_until(until) {
            self.now = self.now.max(at);
            self.happen(what);
        }
        self.now = until;
    }

    /// Lets time pass until `done`, a second at most at a time; `false`: `limit` seconds were not enough.
    pub fn run_until(&mut self, limit: u64, done: impl Fn(&Population) -> bool) -> bool {
        for _ in 0..limit * 10 {
            if done(self) {
                return true;
            }
            self.run(SECOND / 10);
        }
        done(self)
    }

    fn happen(&mut self, what: Scheduled) {
        match what {
            Scheduled::Dialled(client, attempt) => self.dialled(client, attempt),
            Scheduled::ClientDue(client) => self.serve_client(client),
            Scheduled::Read(client) => self.read_slowly(client),
            Scheduled::Accepted(conn) => self.accepted(conn),
            Scheduled::Arrives(conn, end, packet) => self.arrives(conn, end, packet),
            Scheduled::Gone(conn, end) => self.gone(conn, end),
            Scheduled::Cut(conn) => self.cut(conn),
            Scheduled::OwnerDue(session) => self.serve_server(session),
            Scheduled::RegistryDue => self.front_timer(),
            Scheduled::Reported(report) => self.reported(report),
            Scheduled::Mail(session, mail) => self.mail(session, mail),
        }
    }

    fn latency(&mut self) -> u64 {
        let (low, high) = self.conditions.latency;
        self.rng.between(low, high)
    }

    fn connect(&mut self, client: usize) -> ConnId {
        let conn = self.next_conn;
        self.next_conn += 1;
        let at = self.now + self.latency();
        self.conns.insert(
            conn,
            Conn {
                client,
                last: [at, at],
                open: [true, true],
                cut: false,
            },
        );
        self.queue.push(at, Scheduled::Accepted(conn));
        if self.conditions.life > 0 {
            let end = self.now + self.rng.below(self.conditions.life);
            self.queue.push(end, Scheduled::Cut(conn));
        }
        conn
    }

    /// `end` sends a packet.
    fn send(&mut self, conn: ConnId, end: End, packet: Vec<u8>) {
        let latency = self.latency();
        let Some(known) = self.conns.get_mut(&conn) else { return };
        let last = &mut known.last[end as usize];
        *last = (*last + 1).max(self.now + latency);
        let at = *last;
        self.queue.push(at, Scheduled::Arrives(conn, end.other(), packet));
    }

    fn arrives(&mut self, conn: ConnId, end: End, packet: Vec<u8>) {
        let Some(known) = self.conns.get(&conn) else { return };
        if known.cut || !known.open[end as usize] {
            return;
        }
        match end {
            End::Client => self.client_packet(known.client, conn, &packet),
            End::Server => self.server_packet(conn, &packet),
        }
    }

    /// `end` closes the connection; the other end learns of it behind what was sent.
    fn close(&mut self, conn: ConnId, end: End) {
        let latency = self.latency();
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.open[end as usize] = false;
        if known.open[end.other() as usize] {
            let at = (known.last[end as usize] + 1).max(self.now + latency);
            self.queue.push(at, Scheduled::Gone(conn, end.other()));
        } else {
            self.conns.remove(&conn);
        }
    }

    /// `end` learns that the connection is no more.
    fn gone(&mut self, conn: ConnId, end: End) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        let client = known.client;
        if !std::mem::replace(&mut known.open[end as usize], false) {
            return;
        }
        let over = !known.open[end.other() as usize];
        if over {
            self.conns.remove(&conn);
        }
        match end {
            End::Client => self.client_lost(client, conn),
            End::Server => self.server_lost(conn),
        }
    }

    /// The connection breaks: what is under way is lost, and the ends may learn of it, each in its time.
    pub fn cut(&mut self, conn: ConnId) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.cut = true;
        for end in [End::Client, End::Server] {
            if !self.rng.chance(self.conditions.unnoticed) {
                let at = self.now + self.rng.below(100 * MS);
                self.queue.push(at, Scheduled::Gone(conn, end));
            }
        }
    }

    /// Every connection breaks at once, and all ends know.
    pub fn cut_all(&mut self) {
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in conns {
            if let Some(known) = self.conns.get_mut(&conn) {
                known.cut = true;
            }
            for end in [End::Client, End::Server] {
                self.queue.push(self.now, Scheduled::Gone(conn, end));
            }
        }
    }

    /// The server's process dies with all it knew, and a new one starts.
    pub fn restart(&mut self) {
        self.cut_all();
        let registry = registry(self.server.config.clone(), self.rng.seed(), self.now);
        self.server = Server::new(registry, self.server.config.clone());
    }

    /// Connections there are.
    #[must_use]
    pub fn conn_count(&self) -> usize {
        self.conns.len()
    }
}

fn registry(config: ServerConfig, seed: Seed, now: u64) -> Registry {
    Registry::new(config, seed, Instant::from_nanos(now)).expect("because the configuration is valid")
}

/// The key of a client's address: each has one of its own.
fn peer(client: usize) -> PeerKey {
    PeerKey::opaque(&client.to_le_bytes())
}
