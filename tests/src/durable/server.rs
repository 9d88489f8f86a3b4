//! The accepting process: connections that have proven nothing yet, and who gets them.

use bytes::{Bytes, BytesMut};
use unbroken_proto::server::{Admission, Incoming, Rejection, Route};
use unbroken_proto::{Carrier, Epoch, Session, SessionId};

use super::app::App;
use super::disk::Disk;
use super::net::Happening;
use super::truth::At;
use super::world::{Front, Life, Who, World};

impl World {
    /// A packet for a server.
    pub(super) fn arrive_up(&mut self, conn: u64, packet: &Bytes) {
        let Some(known) = self.net.conns.get(&conn).filter(|conn| conn.open[1]) else {
            return;
        };
        let number = known.server;
        if let Some(owner) = self.owner_of(number, conn) {
            return self.input(owner, conn, packet);
        }
        let now = self.server_time(number);
        let server = &mut self.servers[number];
        let Some(registry) = &mut server.registry else {
            return self.net.close(self.now, conn, 1, Some(0));
        };
        let front = match server.fronts.remove(&conn) {
            Some(front) => front,
            None => Front::Silent(registry.connection_accepted(now, Carrier::ordered())),
        };
        match front {
            Front::Silent(id) => match registry.first_packet(now, id, BytesMut::from(&packet[..])) {
                Route::Handshake(incoming) => self.handshake(number, conn, Box::new(incoming)),
                Route::Resume { session, incoming } => self.adopt(number, conn, session, incoming),
                Route::Lookup { session, incoming } => self.look_up(number, conn, session, incoming, false),
                Route::Reject(rejection) => self.reject(conn, &rejection, "server: first packet rejected"),
            },
            Front::Handshake(mut incoming) => {
                if incoming.handle_input(now, BytesMut::from(&packet[..])).is_err() {
                    return self.net.close(self.now, conn, 1, Some(0));
                }
                self.handshake(number, conn, incoming);
            }
        }
        self.plan_front(number);
    }

    fn owner_of(&self, number: usize, conn: u64) -> Option<u64> {
        let owners = self.servers[number].owners.values();
        owners.copied().find(|owner| {
            self.lives
                .get(owner)
                .is_some_and(|life| life.links.values().any(|at| *at == conn))
        })
    }

    /// What a handshake has to say, and what becomes of it.
    fn handshake(&mut self, number: usize, conn: u64, mut incoming: Box<Incoming>) {
        let mut packet = Vec::new();
        while incoming.poll_transmit(&mut packet) {
            self.say(conn, &packet);
            packet.clear();
        }
        if incoming.request().is_none() {
            self.servers[number].fronts.insert(conn, Front::Handshake(incoming));
            return;
        }
        let now = self.server_time(number);
        let Some(registry) = &mut self.servers[number].registry else {
            return;
        };
        let admission = registry.admit(now, *incoming);
        self.admitted(number, conn, admission);
    }

    /// What becomes of a client that has proven itself.
    pub(super) fn admitted(&mut self, number: usize, conn: u64, admission: Admission) {
        match admission {
            Admission::New { session, epoch } => {
                self.tally.hit("server: session made");
                let id = session.id().expect("because it was admitted");
                let disk = self.disks.len();
                self.disks.push(Disk::default());
                for sharing in self.sharing(number) {
                    self.servers[sharing].disks.insert(id, disk);
                }
                let origin = self.servers[number].origin;
                let life = self.adopt_life(Who::Server(number), session, disk, origin);
                self.link(life, conn, epoch);
                self.service(life);
            }
            Admission::Resume { session, incoming } => {
                self.tally.hit("server: predecessor found");
                self.adopt(number, conn, session, incoming);
            }
            Admission::Lookup { session, incoming } => self.look_up(number, conn, session, incoming, true),
            Admission::Reject(rejection) => self.reject(conn, &rejection, "server: not admitted"),
        }
    }

    fn link(&mut self, life: u64, conn: u64, epoch: Epoch) {
        if let Some(life) = self.lives.get_mut(&life) {
            life.links.insert(epoch, conn);
        }
    }

    /// A session that a process has now, and its application.
    pub(super) fn adopt_life(&mut self, who: Who, session: Session, disk: usize, origin: u64) -> u64 {
        self.next_life += 1;
        let id = self.next_life;
        let end = usize::from(matches!(who, Who::Server(_)));
        if let Who::Server(number) = who
            && let Some(session) = session.id()
        {
            self.servers[number].owners.insert(session, id);
        }
        let app = App::new(
            At { end, place: disk },
            self.options.own_marks[end],
            self.options.durable[end],
        );
        self.disks[disk].owner = id;
        self.lives.insert(
            id,
            Life {
                who,
                end,
                session,
                app,
                links: Default::default(),
                disk,
                origin,
                dial: None,
                ended: None,
                ended_by_peer: false,
                wake: u64::MAX,
                leaving: None,
                keys: Default::default(),
            },
        );
        self.net.plan(self.now + 1, Happening::App(id));
        id
    }

    pub(super) fn adopt(&mut self, number: usize, conn: u64, session: SessionId, incoming: Incoming) {
        let now = self.server_time(number);
        let owner = self.servers[number].owners.get(&session).copied();
        let Some((id, life)) = owner.and_then(|id| Some((id, self.lives.get_mut(&id)?))) else {
            let Some(registry) = &mut self.servers[number].registry else {
                return;
            };
            let rejection = registry.orphan(now, incoming);
            return self.reject(conn, &rejection, "server: orphaned resume");
        };
        match life.session.adopt(now, incoming) {
            Ok(epoch) => {
                life.links.insert(epoch, conn);
                self.tally.hit("server: adopted");
            }
            Err(rejection) => self.reject(conn, &rejection, "server: resume refused"),
        }
        self.service(id);
    }

    fn say(&mut self, conn: u64, packet: &[u8]) {
        self.trace.bytes(packet);
        let packet = Bytes::copy_from_slice(packet);
        self.net.send(&mut self.rng, self.now, conn, false, packet);
    }

    pub(super) fn reject(&mut self, conn: u64, rejection: &Rejection, what: &str) {
        self.tally.hit(what);
        self.log(|| format!("conn {conn}: {what}"));
        if let Some(packet) = &rejection.packet {
            self.say(conn, packet);
        }
        self.net.close(self.now, conn, 1, Some(0));
    }

    /// A registry's timers.
    pub(super) fn front_due(&mut self, number: usize) {
        let now = self.server_time(number);
        let server = &mut self.servers[number];
        server.wake = u64::MAX;
        let Some(registry) = &mut server.registry else { return };
        registry.handle_timeout(now);
        if let Some(at) = registry.poll_timeout().filter(|at| *at <= now) {
            panic!("the registry has a deadline of {at:?} after handle_timeout");
        }
        let gone: Vec<u64> = server
            .fronts
            .iter()
            .filter(|(_, front)| match front {
                Front::Silent(id) => !registry.is_wanted(*id),
                Front::Handshake(incoming) => !registry.is_wanted(incoming.connection()) || incoming.deadline() <= now,
            })
            .map(|(conn, _)| *conn)
            .collect();
        for conn in gone {
            server.fronts.remove(&conn);
            self.net.close(self.now, conn, 1, Some(0));
        }
        self.plan_front(number);
    }

    pub(super) fn plan_front(&mut self, number: usize) {
        let server = &mut self.servers[number];
        let Some(at) = server.registry.as_ref().and_then(|registry| registry.poll_timeout()) else {
            return;
        };
        let at = at.as_nanos().saturating_sub(server.origin).max(self.now);
        if at < server.wake {
            server.wake = at;
            self.net.plan(at, Happening::Front(number));
        }
    }

    /// The client's end of a connection is gone.
    pub(super) fn gone_up(&mut self, conn: u64) {
        let Some(known) = self.net.conns.get(&conn).filter(|conn| conn.open[1]) else {
            return;
        };
        let number = known.server;
        let owner = self.owner_of(number, conn);
        self.net.close(self.now, conn, 1, Some(0));
        let now = self.server_time(number);
        let server = &mut self.servers[number];
        if let (Some(front), Some(registry)) = (server.fronts.remove(&conn), &mut server.registry) {
            let id = match &front {
                Front::Silent(id) => *id,
                Front::Handshake(incoming) => incoming.connection(),
            };
            registry.connection_closed(now, id);
        }
        let server = &mut self.servers[number];
        if let (Some(lookup), Some(registry)) = (server.lookups.remove(&conn), &mut server.registry) {
            registry.connection_closed(now, lookup.connection());
        }
        if let Some(owner) = owner {
            self.lose(owner, conn);
        }
    }
}
