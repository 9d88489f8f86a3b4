//! Connections and the agenda: what happens next, in virtual time.

use std::collections::BTreeMap;

use super::options::{CarrierShape, Manner};
use super::pipe::{NEVER, Pipe};
use crate::rng::Rng;

/// Names a simulated connection.
pub type ConnId = u64;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Client to server.
    Up,
    /// Server to client.
    Down,
}

impl Way {
    /// Both.
    pub const BOTH: [Way; 2] = [Way::Up, Way::Down];

    fn index(self) -> usize {
        if self == Way::Up { 0 } else { 1 }
    }

    /// The other one.
    #[must_use]
    pub fn back(self) -> Way {
        if self == Way::Up { Way::Down } else { Way::Up }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The client process of this number.
    Client(usize),
    /// The server's task of this number.
    Task(u64),
}

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A connection reaches the accepting side.
    Accept(ConnId),
    /// Bytes or an end come out of a pipe.
    Arrive(ConnId, Way),
    /// A host wakes.
    Wake(Peer),
    /// An application has its turn.
    App(Peer),
    /// A dial of this client and attempt ends.
    Dialled(usize, u64),
    /// The accepting side's own timers.
    Front,
    /// A RESUME reaches the owner of its session.
    Mail,
    /// The next fault.
    Fault,
}

/// A simulated connection.
#[derive(Clone, Debug)]
pub struct Conn {
    /// Packets, or a stream of bytes.
    pub packets: bool,
    /// Who dialled: a client, or (`None`) an attacker.
    pub client: Option<usize>,
    /// Nobody honest listens at the other end.
    pub impostor: bool,
    /// The first packet that went up was seen by the attacker.
    pub recorded: bool,
    /// RESUMED or FINAL went down.
    pub answered: bool,
    /// A sealed packet went up.
    pub confirming: bool,
    /// A gateway closed it since a packet that went this way was too long, and says so to who sent it.
    pub too_long: Option<Way>,
    pipes: [Pipe; 2],
}

/// All connections and all that will happen.
#[derive(Debug, Default)]
pub struct Net {
    conns: BTreeMap<ConnId, Conn>,
    agenda: BTreeMap<(u64, u64), Happening>,
    next_conn: ConnId,
    sequence: u64,
}

impl Net {
    /// `what` happens at `at`, behind everything already planned for that instant.
    pub fn plan(&mut self, at: u64, what: Happening) {
        if at != NEVER {
            self.sequence += 1;
            self.agenda.insert((at, self.sequence), what);
        }
    }

    /// Takes the next happening off the agenda.
    pub fn soonest(&mut self) -> Option<(u64, Happening)> {
        self.agenda.pop_first().map(|((at, _), what)| (at, what))
    }

    /// A new connection.
    pub fn connect(&mut self, shape: CarrierShape, client: Option<usize>, rng: &mut Rng) -> ConnId {
        let packets = !rng.chance(shape.streams);
        self.next_conn += 1;
        let pipes = [
            Pipe::new(shape, packets, rng.fork()),
            Pipe::new(shape, packets, rng.fork()),
        ];
        self.conns.insert(
            self.next_conn,
            Conn {
                packets,
                client,
                impostor: false,
                recorded: false,
                answered: false,
                confirming: false,
                too_long: None,
                pipes,
            },
        );
        self.next_conn
    }

    /// A connection that still exists.
    pub fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(&id)
    }

    /// All that exist.
    pub fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.conns.keys().copied()
    }

    /// Those a client of ours dialled.
    #[must_use]
    pub fn honest(&self) -> Vec<ConnId> {
        self.conns
            .iter()
            .filter(|(_, conn)| conn.client.is_some() && !conn.impostor)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether `way` of `id` takes a packet now. If not, whoever writes that way should be woken.
    pub fn has_room(&mut self, now: u64, id: ConnId, way: Way) -> bool {
        self.conns
            .get_mut(&id)
            .is_some_and(|conn| conn.pipes[way.index()].has_room(now))
    }

    /// When there is room again.
    #[must_use]
    pub fn room_at(&self, id: ConnId, way: Way) -> Option<u64> {
        self.conns.get(&id).and_then(|conn| conn.pipes[way.index()].room_at())
    }

    /// Puts a packet in, as it is framed. What stands on the way may close the connection for it.
    pub fn write(&mut self, now: u64, id: ConnId, way: Way, framed: &[u8]) {
        let stopped = self.with_pipe(id, way, |pipe| {
            (!pipe.write_packet(now, framed)).then(|| pipe.gateway())
        });
        let manner = stopped.flatten().flatten().map(|gateway| gateway.manner);
        if manner.is_none_or(|manner| manner == Manner::Swallows) {
            return;
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.too_long = Some(way).filter(|_| manner == Some(Manner::Tells));
        }
        for other in Way::BOTH {
            let hears = manner != Some(Manner::ClosesHalf) || other != way;
            self.with_pipe(id, other, |pipe| {
                pipe.cut_after(0);
                if hears {
                    pipe.close_at(now);
                }
            });
        }
    }

    /// Does something to one pipe and plans what follows from it.
    pub fn with_pipe<T>(&mut self, id: ConnId, way: Way, act: impl FnOnce(&mut Pipe) -> T) -> Option<T> {
        let pipe = &mut self.conns.get_mut(&id)?.pipes[way.index()];
        let result = act(pipe);
        if let Some(at) = pipe.announce() {
            self.plan(at, Happening::Arrive(id, way));
        }
        Some(result)
    }

    /// One end closes: what it wrote still arrives, then the other end hears of it.
    pub fn close(&mut self, now: u64, id: ConnId, way: Way) {
        self.with_pipe(id, way, |pipe| pipe.finish(now));
    }

    /// The connection is no more; nobody hears anything.
    pub fn forget(&mut self, id: ConnId) {
        self.conns.remove(&id);
    }

    /// Every pipe is quick from now on; those that stand still for good stay so. What waited for a
    /// sleeping host comes now.
    pub fn heal(&mut self, now: u64, shape: CarrierShape) {
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in ids {
            for way in Way::BOTH {
                self.with_pipe(id, way, |pipe| pipe.heal(shape));
                self.plan(now, Happening::Arrive(id, way));
            }
        }
        self.plan(now, Happening::Mail);
    }
}
