//! The two ends, their disks and what is left of the budget.

use std::collections::BTreeSet;
use std::rc::Rc;

use unbroken_proto::config::Seed;
use unbroken_proto::session::SessionState;
use unbroken_proto::{SessionId, Side, StreamId};

use crate::app::App;
use crate::disk::{Disk, Restorer, Standing};
use unbroken_tests::durable::Truth;
use unbroken_tests::pair::{Pair, ServerEnd, Setup};

/// The one stream, which the client opens.
pub(crate) const STREAM: StreamId = StreamId(1);

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Messages of the client and of the server.
    pub(crate) messages: [u64; 2],
    /// Connections.
    pub(crate) connections: usize,
    /// Connections that break although nobody dies.
    pub(crate) cuts: u32,
    /// Processes that die.
    pub(crate) kills: u32,
    /// Which may: the client's, the server's, both at once.
    pub(crate) mortal: [bool; 3],
    /// Planned swaps asked for.
    pub(crate) migrations: u32,
    /// Packets delivered to an end that gave the connection up.
    pub(crate) late: u32,
    /// Whether the ends close.
    pub(crate) closes: [bool; 2],
    /// Applications read when they like, and not at once.
    pub(crate) is_lazy: bool,
    /// Hosts ask for records when they like, and not at once.
    pub(crate) is_slow: bool,
    /// The exploration begins with a session that is up and kept.
    pub(crate) is_up: bool,
    /// States, at most.
    pub(crate) states: usize,
    /// The longest path.
    pub(crate) depth: usize,
    /// One state in so many is brought to the end, besides those in which nothing can happen.
    pub(crate) fair_every: usize,
}

/// The index of an end.
pub(crate) fn index(client: bool) -> usize {
    usize::from(!client)
}

pub(crate) fn side(client: bool) -> Side {
    if client { Side::Client } else { Side::Server }
}

/// See the module.
pub(crate) struct World {
    pub(crate) restorer: Rc<Restorer>,
    pub(crate) setup: Setup,
    pub(crate) pair: Pair,
    pub(crate) left: Budget,
    pub(crate) disks: [Disk; 2],
    pub(crate) apps: [App; 2],
    pub(crate) cut: BTreeSet<usize>,
    /// Deadlines that passed since anything else happened.
    pub(crate) waited: u32,
    /// No record is sealed twice under one nonce, no RESUME under one counter.
    pub(crate) truth: Truth,
    /// Packets of each connection that the truth has seen.
    pub(crate) seen: Vec<usize>,
    /// Whose disk the server's is.
    server: Option<SessionId>,
    lives: u8,
}

impl World {
    pub(crate) fn begin(setup: &Setup, restorer: &Rc<Restorer>, budget: Budget) -> World {
        let mut world = World {
            restorer: Rc::clone(restorer),
            setup: setup.clone(),
            pair: Pair::new(setup),
            left: budget,
            disks: Default::default(),
            apps: Default::default(),
            cut: BTreeSet::new(),
            waited: 0,
            truth: Truth::new(Vec::new()),
            seen: Vec::new(),
            server: None,
            lives: 0,
        };
        world.open();
        if budget.is_up {
            world.left.messages = [0; 2];
            world.heal();
            world.left.messages = budget.messages;
        }
        world.quiesce();
        world
    }

    /// Polls everything; all packets there are go onto their connections.
    pub(crate) fn quiesce(&mut self) {
        loop {
            self.follow_server();
            let mut any = false;
            for wire in 0..self.pair.wires.len() {
                for side in [Side::Client, Side::Server] {
                    while self.pair.transmit(wire, side) {
                        any = true;
                    }
                }
            }
            any |= self.pair.tidy();
            if !self.left.is_slow {
                any |= self.write(true);
                any |= self.write(false);
            }
            if !self.left.is_lazy {
                any |= self.read(true);
                any |= self.read(false);
            }
            if !any {
                break;
            }
        }
        self.pair.pass_report();
        self.pair.read_events();
        for client in [true, false] {
            let us = index(client);
            let wants = self.pair.machine(side(client)).is_some_and(|s| s.wants_record());
            if self.pair.ended[us].is_some() && !wants && !self.disks[us].is_writing() {
                self.disks[us].remove();
            }
        }
        self.look_at_packets();
    }

    pub(crate) fn server_id(&self) -> Option<SessionId> {
        self.pair.server.as_ref().and_then(|server| server.id())
    }

    /// The next packet of that end arrives. A session that is made on a connection that no client has any more is disowned: nobody
    /// will ever know of it, and the one before is there as it was.
    pub(crate) fn deliver(&mut self, wire: usize, client: bool) -> bool {
        let before = self.server_id();
        let is_dead = self.pair.wires[wire].client.is_none();
        let delivered = self.pair.deliver(wire, side(client));
        if client && is_dead && self.server_id() != before {
            self.pair.server = before.and_then(|_| self.pair.former.pop());
            self.pair.wires[wire].server = ServerEnd::Closed;
        }
        delivered
    }

    /// Another session than before has a disk of its own.
    fn follow_server(&mut self) {
        let id = self.server_id();
        if id.is_none() || id == self.server {
            return;
        }
        assert!(
            self.apps[1].has_nothing(),
            "a fresh session, although {:?}",
            self.apps[1]
        );
        self.server = id;
        self.disks[1] = Disk::default();
        self.apps[1] = App::default();
    }

    fn look_at_packets(&mut self) {
        self.seen.resize(self.pair.wires.len(), 0);
        for (wire, seen) in self.pair.wires.iter().zip(&mut self.seen) {
            for (_, packet) in wire.log.iter().skip(*seen).filter(|(client, _)| *client) {
                self.truth.packet(packet, true);
            }
            *seen = wire.log.len();
        }
    }

    /// The host asks for a record, unless one is being written.
    ///
    /// # Panics
    /// When what would be restored with it is not where the session stands.
    pub(crate) fn write(&mut self, client: bool) -> bool {
        self.follow_server();
        let us = index(client);
        if self.disks[us].is_writing() {
            return false;
        }
        let Some(session) = self.pair.machine(side(client)) else {
            return false;
        };
        let Some(record) = session.poll_record() else {
            return false;
        };
        let (is_over, standing) = (session.end_reason().is_some(), Standing::of(session));
        self.truth.record(&record.bytes);
        self.disks[us].begin(record);
        let now = self.pair.instant();
        let found = self.restorer.standing(client, &self.disks[us].pieces(true), now);
        self.disks[us].on_written(found.clone());
        assert!(
            is_over || found.0 == standing,
            "{:?}: {found:?} would be restored, and it stands at {standing:?}",
            side(client)
        );
        true
    }

    /// The record under way is kept, and the session hears of it.
    pub(crate) fn keep(&mut self, client: bool) -> bool {
        let us = index(client);
        let Some(number) = self.disks[us].finish() else {
            return false;
        };
        let now = self.pair.instant();
        if let Some(session) = self.pair.machine(side(client)) {
            session.handle_persisted(now, number);
            self.apps[us].on_kept(session);
        }
        true
    }

    /// Whether there is anything to ask for.
    pub(crate) fn wants_record(&self, client: bool) -> bool {
        let session = if client {
            Some(&self.pair.client)
        } else {
            self.pair.server.as_ref()
        };
        session.is_some_and(|session| session.wants_record()) && !self.disks[index(client)].is_writing()
    }

    /// A process dies, at once begins again, and finds what is kept. `written`: the record under way is whole, which its
    /// process did not live to hear.
    pub(crate) fn kill(&mut self, client: bool, written: bool) {
        let us = index(client);
        if written {
            self.disks[us].finish();
        }
        self.disks[us].lose();
        self.lives += 1;
        let seed = Seed([self.setup.seed ^ (0x20 + self.lives); 32]);
        let journal = self.disks[us].pieces(false);
        self.cut.extend(0..self.pair.wires.len());
        if client {
            self.pair.restart_client(&self.setup, &journal, seed);
        } else {
            let is_removed = self.disks[1].is_removed;
            let restored = self.pair.restart_server(&self.setup, &journal, seed);
            if !is_removed {
                self.pair.ended[1] = None;
            }
            if !restored {
                // What it knew of an end went with it.
                self.apps[1].on_lost(is_removed);
                self.server = None;
                return;
            }
        }
        self.resume(client);
    }

    pub(crate) fn is_established(&self) -> bool {
        let server = self.pair.server.as_ref();
        server.is_some_and(|server| server.state() != SessionState::Connecting)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.apps.iter().any(|app| app.wants_close)
    }
}
