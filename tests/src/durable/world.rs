//! Everything that there is in a schedule: processes, disks, connections, and time.

use std::collections::BTreeMap;

use bytes::Bytes;
use unbroken_proto::durable::Mark;
use unbroken_proto::event::Ended;
use unbroken_proto::server::{ConnectionId, Incoming, Registry};
use unbroken_proto::{Epoch, Instant, Session, SessionId};

use super::app::{App, Turn};
use super::disk::Disk;
use super::fleet::Lookup;
use super::net::{Happening, Net};
use super::options::{MS, Options};
use super::truth::Truth;
use crate::rng::Rng;
use crate::tally::{Tally, Trace};

/// A process that can begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A client, by its number.
    Client(usize),
    /// A server, by its number.
    Server(usize),
}

/// A session in a process, as long as that lives.
#[derive(Debug)]
pub struct Life {
    /// The process.
    pub who: Who,
    /// Which end: 0 the client, 1 the server.
    pub end: usize,
    /// The machine.
    pub session: Session,
    /// Its user.
    pub app: App,
    /// Its connections.
    pub links: BTreeMap<Epoch, u64>,
    /// Where it is kept, and the application with it.
    pub disk: usize,
    /// What its clock showed when everything began.
    pub origin: u64,
    /// The attempt that is being dialled.
    pub dial: Option<u64>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Whether that was by a packet of its peer's.
    pub ended_by_peer: bool,
    /// The wake-up that is planned.
    pub wake: u64,
    /// It is to be given up once that is kept.
    pub leaving: Option<Mark>,
    /// Which streams are which.
    pub keys: BTreeMap<u64, u64>,
}

/// What became of a session at one end.
#[derive(Debug)]
pub struct Final {
    /// Which end.
    pub end: usize,
    /// Which session.
    pub id: Option<SessionId>,
    /// Where it was kept.
    pub disk: usize,
    /// How it ended.
    pub ended: Ended,
    /// Which streams are which.
    pub keys: BTreeMap<u64, u64>,
}

/// A client process, dead or alive.
#[derive(Debug, Default)]
pub struct ClientProcess {
    /// Its session, while it lives.
    pub life: Option<u64>,
    /// Its disk.
    pub disk: usize,
    /// It will not begin again.
    pub over: bool,
}

/// A connection that no session has yet.
#[derive(Debug)]
pub enum Front {
    /// It has said nothing.
    Silent(ConnectionId),
    /// It is proving itself.
    Handshake(Box<Incoming>),
}

/// A server process, dead or alive.
#[derive(Debug, Default)]
pub struct ServerProcess {
    /// Its registry, while it lives.
    pub registry: Option<Registry>,
    /// What its clock showed when everything began.
    pub origin: u64,
    /// Connections without a session.
    pub fronts: BTreeMap<u64, Front>,
    /// Those whose sessions are looked up.
    pub lookups: BTreeMap<u64, Lookup>,
    /// Who owns which session.
    pub owners: BTreeMap<SessionId, u64>,
    /// Where each is kept.
    pub disks: BTreeMap<SessionId, usize>,
    /// What is left of sessions that are over.
    pub left: BTreeMap<SessionId, Bytes>,
    /// It will not begin again.
    pub over: bool,
    /// The wake-up that is planned.
    pub wake: u64,
}

/// A process that dies after so many more steps.
#[derive(Clone, Copy, Debug)]
pub struct Doom {
    /// Which.
    pub who: Who,
    /// After so many packets, writes and turns.
    pub steps: u64,
}

/// See the module.
#[derive(Debug)]
pub struct World {
    /// What was drawn.
    pub options: Options,
    /// Chance.
    pub rng: Rng,
    /// Since everything began, in nanoseconds.
    pub now: u64,
    /// Connections, and the agenda.
    pub net: Net,
    /// All disks.
    pub disks: Vec<Disk>,
    /// Sessions that live.
    pub lives: BTreeMap<u64, Life>,
    /// Client processes.
    pub clients: Vec<ClientProcess>,
    /// Server processes.
    pub servers: Vec<ServerProcess>,
    /// The oracle.
    pub truth: Truth,
    /// What happened.
    pub tally: Tally,
    /// A hash over it.
    pub trace: Trace,
    /// How sessions ended.
    pub finals: Vec<Final>,
    /// Who dies soon.
    pub doom: Option<Doom>,
    /// Nothing goes wrong any more.
    pub healed: bool,
    /// Faults that are still to come.
    pub faults: u64,
    /// Something other than the applications may have ended the session.
    pub excused: bool,
    /// An application closed it.
    pub closed: bool,
    /// A promise of this schedule's scenario was tried.
    pub staged: bool,
    pub(super) next_life: u64,
}

impl World {
    /// Two processes that have not begun.
    #[must_use]
    pub fn new(options: Options, rng: Rng) -> World {
        let truth = Truth::new(options.plans.clone());
        let mut world = World {
            faults: options.faults,
            options,
            rng,
            now: 0,
            net: Net::default(),
            disks: vec![Disk::default()],
            lives: BTreeMap::new(),
            clients: vec![ClientProcess::default()],
            servers: vec![ServerProcess::default()],
            truth,
            tally: Tally::default(),
            trace: Trace::default(),
            finals: Vec::new(),
            doom: None,
            healed: false,
            excused: false,
            closed: false,
            staged: false,
            next_life: 0,
        };
        world.start(Who::Server(0));
        if world.is_fleet() {
            world.servers.push(ServerProcess::default());
            world.start(Who::Server(1));
        }
        world.start(Who::Client(0));
        world
    }

    /// What the clock of a process shows.
    #[must_use]
    pub fn clock(&self, origin: u64) -> Instant {
        Instant::from_nanos(origin + self.now)
    }

    /// A clock of its own for a process that begins.
    pub fn draw_origin(&mut self) -> u64 {
        self.rng.scaled(0, 1 << 50)
    }

    /// Runs until `done` says so, or that time has come.
    pub fn run(&mut self, until: u64, mut done: impl FnMut(&World) -> bool) {
        while !done(self) {
            let Some((at, what)) = self.net.soonest(until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            self.happen(what);
        }
    }

    fn happen(&mut self, what: Happening) {
        self.trace.note(self.now);
        match what {
            Happening::Arrive(conn, true, packet) => self.arrive_up(conn, &packet),
            Happening::Arrive(conn, false, packet) => self.arrive_down(conn, &packet),
            Happening::Gone(conn, true) => self.gone_up(conn),
            Happening::Gone(conn, false) => self.gone_down(conn),
            Happening::Dialled(life, attempt) => self.dialled(life, attempt),
            Happening::Wake(life) => self.wake(life),
            Happening::App(life) => self.app(life),
            Happening::Disk(disk, number) => self.written(disk, number),
            Happening::Front(server) => self.front_due(server),
            Happening::Lookup(server, conn) => self.looked_up(server, conn),
            Happening::Fault => self.fault(),
            Happening::Restart(who) => self.start(who),
        }
        if !self.healed && self.rng.chance(15) {
            self.check_kept();
        }
    }

    /// The application of a process has a turn.
    fn app(&mut self, life: u64) {
        let Some((end, reason)) = self.lives.get(&life).map(|life| (life.end, life.session.end_reason())) else {
            return;
        };
        if reason.is_some_and(|reason| self.goes_on(end, reason)) || self.strikes(life) {
            return;
        }
        self.turn(life);
        // Nobody waits for long once nothing goes wrong; turns that find nothing to do are not worth their time.
        let rhythm = if self.healed { 200 * MS } else { self.options.rhythm };
        let at = self.now + 1 + rhythm / 2 + self.rng.below(rhythm);
        if self.lives.get(&life).is_some_and(|life| life.ended.is_none()) {
            self.net.plan(at, Happening::App(life));
        }
        self.service(life);
    }

    /// Hands the application its turn.
    pub(super) fn turn(&mut self, id: u64) {
        self.with_app(id, App::turn);
    }

    /// Calls the application of a process.
    pub(super) fn with_app(&mut self, id: u64, call: impl FnOnce(&mut App, &mut Turn<'_>)) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let mut turn = Turn {
            now: Instant::from_nanos(life.origin + self.now),
            session: &mut life.session,
            base: &mut self.disks[life.disk].image.base,
            plans: &self.options.plans,
            rng: &mut self.rng,
            truth: &mut self.truth,
            eager: self.healed,
        };
        call(&mut life.app, &mut turn);
        for (key, id) in life.app.ids() {
            life.keys.insert(id.0, key);
        }
    }

    /// Prints what happens, when `UNBROKEN_LOG` is set.
    pub fn log(&self, what: impl FnOnce() -> String) {
        static ON: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        if *ON.get_or_init(|| std::env::var_os("UNBROKEN_LOG").is_some()) {
            println!("{:>10}.{:06} {}", self.now / 1_000_000, self.now % 1_000_000, what());
        }
    }

    /// The process of that session, at whichever server.
    #[must_use]
    pub fn owner_in_any(&self, id: SessionId) -> Option<u64> {
        (0..self.servers.len()).find_map(|server| self.life_of(server, id))
    }

    /// The process of that session.
    #[must_use]
    pub fn life_of(&self, server: usize, id: SessionId) -> Option<u64> {
        self.servers.get(server)?.owners.get(&id).copied()
    }
}
