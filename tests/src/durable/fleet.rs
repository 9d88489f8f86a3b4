//! A fleet: nodes that keep their sessions in one store. A client may come to any of them; that one asks whoever owns the session for it, or takes it
//! over.

use bytes::Bytes;
use unbroken_proto::durable::Mark;
use unbroken_proto::event::EndReason;
use unbroken_proto::server::{Admission, ConnectionId, Incoming, Placement, Recognition};
use unbroken_proto::session::StoreFailure;
use unbroken_proto::{Instant, SessionId};

use super::net::Happening;
use super::options::{MS, SECOND, Scenario};
use super::world::{Who, World};

/// How long a node waits for the owner of a session to let it go.
const PATIENCE: u64 = 6 * SECOND;

/// A client has come to a node that does not hold its session.
#[derive(Debug)]
pub struct Lookup {
    session: SessionId,
    incoming: Incoming,
    /// Who held the session here when it came.
    held: Option<u64>,
    /// It has proven itself; else it is a RESUME.
    is_proven: bool,
    /// It was recognised, and the journal is opened as soon as nobody else owns it, or by then.
    opened_by: Option<u64>,
    /// When whoever owned it and died is taken for dead.
    lease: Option<u64>,
}

impl Lookup {
    /// The connection, as the registry knows it.
    pub(super) fn connection(&self) -> ConnectionId {
        self.incoming.connection()
    }
}

/// What came of it.
enum Found {
    Held,
    Unrecognised,
    Absent,
    Later,
}

impl World {
    pub(super) fn is_fleet(&self) -> bool {
        self.options.scenario == Scenario::Fleet
    }

    /// The servers that know what this one keeps.
    pub(super) fn sharing(&self, number: usize) -> std::ops::Range<usize> {
        if self.is_fleet() {
            0..self.servers.len()
        } else {
            number..number + 1
        }
    }

    /// Whether a server's session goes on elsewhere, and is not over.
    pub(super) fn goes_on(&self, end: usize, reason: &EndReason) -> bool {
        self.is_fleet() && end == 1 && matches!(reason, EndReason::Moved | EndReason::Superseded)
    }

    /// Whether a node that begins may have that journal without asking: nobody owns it any more.
    pub(super) fn is_abandoned(&mut self, place: usize) -> bool {
        !self.lives.contains_key(&self.disks[place].owner) && self.rng.chance(500)
    }

    pub(super) fn look_up(
        &mut self,
        number: usize,
        conn: u64,
        session: SessionId,
        incoming: Incoming,
        is_proven: bool,
    ) {
        assert!(self.is_fleet(), "nothing is looked up");
        self.tally.hit(match is_proven {
            true => "fleet: looked up for a proven client",
            false => "fleet: looked up for a RESUME",
        });
        let lookup = Lookup {
            session,
            incoming,
            held: self.servers[number].owners.get(&session).copied(),
            is_proven,
            opened_by: None,
            lease: None,
        };
        self.servers[number].lookups.insert(conn, lookup);
        let at = self.now + self.rng.scaled(0, 20 * MS);
        self.net.plan(at, Happening::Lookup(number, conn));
    }

    /// A node goes on with looking up.
    pub(super) fn looked_up(&mut self, number: usize, conn: u64) {
        let Some(mut lookup) = self.servers[number].lookups.remove(&conn) else {
            return;
        };
        let found = match lookup.opened_by {
            None => self.recognise(number, &mut lookup),
            Some(until) => self.open_kept(number, &mut lookup, until),
        };
        match found {
            Some(found) => self.answer(number, conn, found, lookup),
            None => {
                self.servers[number].lookups.insert(conn, lookup);
                let at = self.now + self.rng.scaled(MS, 50 * MS);
                self.net.plan(at, Happening::Lookup(number, conn));
            }
        }
    }

    /// What is kept is read; `None`: it is to be opened.
    fn recognise(&mut self, number: usize, lookup: &mut Lookup) -> Option<Found> {
        if !self.healed && self.rng.chance(120) {
            self.tally.hit("fleet: the store is away");
            return Some(Found::Later);
        }
        let now = self.server_time(number);
        let server = &mut self.servers[number];
        let registry = server.registry.as_mut()?;
        let Some(recogniser) = registry.recogniser(lookup.session) else {
            return Some(if lookup.is_proven { Found::Later } else { Found::Absent });
        };
        let pieces: Vec<Bytes> = match server.left.get(&lookup.session) {
            Some(left) => vec![left.clone()],
            None => {
                let place = server.disks.get(&lookup.session);
                place.map_or_else(Vec::new, |place| self.disks[*place].image.pieces())
            }
        };
        if pieces.is_empty() {
            let is_held = lookup.is_proven && lookup.held.is_some();
            return Some(if is_held { Found::Later } else { Found::Absent });
        }
        match recogniser.recognises(now, &lookup.incoming, &pieces, None) {
            Ok(Recognition::Client) => {
                let charged = registry.charge_lookup(now, &lookup.incoming);
                assert!(charged.is_ok(), "there are few");
                if let Some(stale) = lookup.held {
                    return Some(self.displace(number, lookup.session, stale));
                }
                lookup.opened_by = Some(self.now + PATIENCE);
                None
            }
            Ok(Recognition::Other) => Some(Found::Unrecognised),
            Ok(Recognition::Over) => Some(match lookup.held {
                Some(stale) => self.displace(number, lookup.session, stale),
                None if lookup.is_proven => self.remember(number, &pieces),
                None => Found::Unrecognised,
            }),
            Ok(Recognition::Unsure) => {
                self.tally.hit("fleet: unsure");
                Some(Found::Later)
            }
            Err(error) => panic!("what is kept is not read: {error:?}"),
        }
    }

    /// The copy that is held here is behind.
    fn displace(&mut self, number: usize, session: SessionId, stale: u64) -> Found {
        let is_present = self.servers[number].owners.get(&session) == Some(&stale);
        let lives = self
            .lives
            .get(&stale)
            .is_some_and(|life| life.session.end_reason().is_none());
        if is_present && lives {
            self.tally.hit("fleet: a stale copy is noticed");
            assert!(
                self.disks[self.lives[&stale].disk].owner != stale,
                "it is no copy that was left behind"
            );
            self.tell_store_failed(stale, StoreFailure::Superseded);
            self.service(stale);
        }
        Found::Later
    }

    fn remember(&mut self, number: usize, pieces: &[Bytes]) -> Found {
        let now = self.server_time(number);
        if let Some(registry) = &mut self.servers[number].registry {
            registry.remember(now, pieces).expect("because that is what is left");
            self.tally.hit("fleet: an end is told elsewhere");
        }
        Found::Absent
    }

    /// The journal is opened once its owner has let it go, or is taken for dead.
    fn open_kept(&mut self, number: usize, lookup: &mut Lookup, until: u64) -> Option<Found> {
        let session = lookup.session;
        if self.servers[number].owners.contains_key(&session) {
            return Some(Found::Held);
        }
        let Some(place) = self.servers[number].disks.get(&session).copied() else {
            // It ended meanwhile.
            return Some(Found::Later);
        };
        let owner = self.disks[place].owner;
        if self.lives.contains_key(&owner) {
            if !self.healed && self.rng.chance(120) {
                self.steal(place);
            } else if self.now >= until {
                self.tally.hit("fleet: the owner does not let go");
                return Some(Found::Later);
            } else {
                self.ask(owner);
                return None;
            }
        } else if owner != 0 && self.now < *lookup.lease.get_or_insert(self.now + self.rng.scaled(1, 2 * SECOND)) {
            return None;
        }
        let now = self.server_time(number);
        let pieces = self.disks[place].image.pieces();
        let registry = self.servers[number].registry.as_mut()?;
        match registry.restore(now, &pieces, None) {
            Ok((restored, _)) => {
                self.tally.hit(match owner {
                    0 => "fleet: handed over",
                    _ => "fleet: taken over",
                });
                let origin = self.servers[number].origin;
                let life = self.adopt_life(Who::Server(number), restored, place, origin);
                self.begin(life, false);
                Some(Found::Held)
            }
            Err(error) => panic!("end 1 is not restored: {error:?}"),
        }
    }

    /// The owner is to let the session go once all is kept that it did so far.
    fn ask(&mut self, owner: u64) {
        if let Some(life) = self.lives.get_mut(&owner)
            && life.leaving.is_none()
        {
            life.leaving = Some(life.session.mark());
            self.tally.hit("fleet: asked for");
            self.service(owner);
        }
    }

    /// The owner was taken for dead, and lives. What it was writing may be kept all the same, while its store only finds that the journal is
    /// another's.
    fn steal(&mut self, place: usize) {
        self.truth.share(1);
        self.tally.hit("fleet: stolen");
        let mut writer = None;
        if self.rng.chance(500)
            && let Some(number) = self.disks[place].writing.as_ref().map(|writing| writing.number)
        {
            let now = self.now;
            writer = self.disks[place].finish(now, number).map(|writing| writing.life);
        }
        self.fence(place);
        if let Some(writer) = writer {
            self.store_failed(writer, StoreFailure::Superseded);
        }
    }

    /// Whether a session that is to leave has left: all is kept that it did before it was asked to.
    pub(super) fn leaves(&mut self, id: u64) -> bool {
        let Some(life) = self.lives.get(&id) else { return false };
        let is_left = life.leaving.is_some_and(|mark: Mark| life.session.has_persisted(mark));
        let is_left = is_left && life.session.end_reason().is_none();
        if is_left {
            self.tell_store_failed(id, StoreFailure::Released);
        }
        is_left
    }

    fn answer(&mut self, number: usize, conn: u64, found: Found, lookup: Lookup) {
        let now = self.server_time(number);
        let Lookup {
            session,
            incoming,
            is_proven,
            ..
        } = lookup;
        let Some(registry) = &mut self.servers[number].registry else {
            return;
        };
        let admission = match (found, is_proven) {
            (Found::Held, false) => return self.adopt(number, conn, session, incoming),
            (Found::Held, true) => registry.admit(now, incoming),
            (Found::Absent, _) => registry.absent(now, incoming, &Placement::default()),
            (Found::Unrecognised, _) => Admission::Reject(registry.unrecognised(now, incoming)),
            (Found::Later, _) => Admission::Reject(registry.later(now, incoming)),
        };
        match admission {
            // It was held a moment ago.
            Admission::Lookup { incoming, .. } => {
                if let Some(registry) = &mut self.servers[number].registry {
                    let rejection = registry.later(now, incoming);
                    self.reject(conn, &rejection, "fleet: gone again");
                }
            }
            admission => self.admitted(number, conn, admission),
        }
        self.plan_front(number);
    }

    pub(super) fn server_time(&self, number: usize) -> Instant {
        self.clock(self.servers[number].origin)
    }
}
