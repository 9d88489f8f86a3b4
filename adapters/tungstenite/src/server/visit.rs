//! One accepted connection, from its first byte to its session's end.

use std::io;
use std::sync::Arc;
use std::thread;

use unbroken_proto::server::{Admission, ConnectionId, Incoming, Rejection, Report, Request};
use unbroken_proto::{Duration, Instant, SessionId};

use super::Accepted;
use super::house::House;
use crate::bell::Bell;
use crate::clock::uptime;
use crate::connection::Connection;
use crate::door::{Door, Visitor};
use crate::links::{Links, Turn};
use crate::pump::{self, Source};
use crate::session::Session as Handle;
use crate::shared::Shared;
use crate::stepper::Stepper;
use crate::wire::Wire;

/// Connections that get no session and take their leave, each on its thread; beyond, they are dropped at once.
const LEAVING: usize = 64;

impl House {
    /// Sees one connection through, on a thread of its own.
    pub(super) fn serve(self: Arc<Self>, wire: Wire) -> io::Result<()> {
        let visit = Visit::enter(&self, &wire);
        thread::Builder::new()
            .name("unbroken connection".into())
            .spawn(move || {
                let _lost_or_over = self.see_through(visit, wire);
            })?;
        Ok(())
    }

    fn see_through(self: &Arc<Self>, visit: Visit, wire: Wire) -> io::Result<()> {
        let mut door = Door::new(visit.id, wire);
        let visitor = self.receive(&mut door)?;
        let wire = door.connection;
        wire.socket().set_blocking(false)?;
        let refused = match visitor {
            Visitor::Waiting => None,
            Visitor::Proven(request, incoming) => self.decide(visit, *request, incoming, wire),
            Visitor::Known(session, incoming) => {
                visit.decided();
                self.hand_over(session, incoming, wire)
            }
            Visitor::Rejected(rejection) => {
                visit.decided();
                Some((wire, rejection))
            }
        };
        match refused {
            Some((wire, rejection)) => self.turn_away(wire, rejection),
            None => Ok(()),
        }
    }

    /// Reads the first packet and what a handshake needs, until it is known what this is. The socket blocks meanwhile;
    /// the registry's keeper cuts it when its time is over.
    fn receive(&self, door: &mut Door<Wire>) -> io::Result<Visitor> {
        door.connection.socket().set_blocking(true)?;
        door.connection.socket().set_patience(None)?;
        loop {
            let visitor = door.step(uptime(), |id, packet| {
                let mut desk = self.desk();
                let route = desk.registry.first_packet(uptime(), id, packet);
                self.carry_out(desk);
                route
            })?;
            if !matches!(visitor, Visitor::Waiting) {
                return Ok(visitor);
            }
        }
    }

    /// What the host says about a proven client; a new session is driven to its end.
    fn decide(
        self: &Arc<Self>,
        visit: Visit,
        request: Request,
        incoming: Incoming,
        wire: Wire,
    ) -> Option<(Wire, Rejection)> {
        let verdict = (self.authorise)(&request);
        let mut desk = self.desk();
        let now = uptime();
        let admission = match verdict {
            Ok(placement) => desk.registry.admit_as(now, incoming, &placement),
            Err(refusal) => Admission::Reject(desk.registry.refuse(now, incoming, refusal)),
        };
        let (session, epoch) = match admission {
            Admission::New { session, epoch } => (session, epoch),
            Admission::Resume { session, incoming } => {
                self.carry_out(desk);
                visit.decided();
                return self.hand_over(session, incoming, wire);
            }
            Admission::Reject(rejection) => {
                self.carry_out(desk);
                visit.decided();
                return Some((wire, rejection));
            }
        };
        let id = session.id()?;
        let shared = Shared::new(Stepper::accepted(session, epoch, wire)).ok();
        // Under the same lock: from now on orders and resuming connections find it.
        desk.owners.extend(shared.clone().map(|shared| (id, shared)));
        self.carry_out(desk);
        visit.decided();
        let _owned = Owned {
            house: Arc::clone(self),
            id,
        };
        if let Some(shared) = shared {
            self.own(&shared, request);
        }
        None
    }

    /// Gives a connection to its session's thread; it comes back with what to say if that does not take it.
    fn hand_over(&self, id: SessionId, incoming: Incoming, wire: Wire) -> Option<(Wire, Rejection)> {
        let mut desk = self.desk();
        let Some(owner) = desk.owners.get(&id).map(Arc::clone) else {
            let rejection = desk.registry.orphan(uptime(), incoming);
            return Some((wire, rejection));
        };
        drop(desk);
        owner.call(|core, now| core.stepper.adopt(now, incoming, wire)).err()
    }

    /// Drives a new session to its end, on this thread, and shows it to the application once it is established.
    fn own(self: &Arc<Self>, shared: &Arc<Shared>, request: Request) {
        // A session that nobody was shown has no handle, and ends by the machine's own timers.
        let mut unseen = Some(request);
        let house = Arc::clone(self);
        let report = move |shared: &Arc<Shared>, now: Instant, reports: Vec<Report>| {
            if !reports.is_empty() {
                let mut desk = house.desk();
                for report in reports {
                    desk.registry.update(now, report);
                }
                house.carry_out(desk);
            }
            let proven = || shared.look(|core| core.established.is_some());
            if let Some(request) = unseen.take_if(|_| proven()) {
                let session = Handle::new(Arc::clone(shared));
                house.announce(Accepted { session, request });
            }
        };
        pump::run(shared, Source::Accept(Box::new(report)));
    }

    /// Says the last word on a connection and closes it.
    fn turn_away(&self, wire: Wire, rejection: Rejection) -> io::Result<()> {
        {
            let mut desk = self.desk();
            if desk.leaving >= LEAVING || desk.over {
                return Ok(());
            }
            desk.leaving += 1;
        }
        let goodbye = goodbye(wire, rejection);
        self.desk().leaving -= 1;
        goodbye
    }
}

fn goodbye(wire: Wire, rejection: Rejection) -> io::Result<()> {
    let bell = Bell::new()?;
    let mut links = Links::new();
    links.turn_away(uptime(), wire, rejection.packet);
    while !links.is_empty() {
        let now = uptime();
        let turn = links.read(now, None).or(links.write(now, None));
        if turn == Turn::More {
            continue;
        }
        let sockets: Vec<_> = links.iter().map(|wire| (wire, wire.wants_write())).collect();
        let left = links
            .deadline()
            .map_or(Duration::ZERO, |limit| limit.saturating_since(now));
        bell.wait(&sockets, Some(left))?;
    }
    Ok(())
}

/// A connection no session has yet, at the registry.
struct Visit {
    house: Arc<House>,
    id: ConnectionId,
    decided: bool,
}

impl Visit {
    fn enter(house: &Arc<House>, wire: &Wire) -> Visit {
        let mut desk = house.desk();
        let id = desk.registry.connection_accepted(uptime(), wire.described());
        match desk.over {
            true => wire.socket().cut(),
            false => {
                desk.unproven.insert(id, Arc::clone(wire.socket()));
            }
        }
        house.carry_out(desk);
        Visit {
            house: Arc::clone(house),
            id,
            decided: false,
        }
    }

    /// The registry waits for it no more.
    fn decided(mut self) {
        self.decided = true;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut desk = self.house.desk();
        desk.unproven.remove(&self.id);
        if !self.decided {
            desk.registry.connection_closed(uptime(), self.id);
        }
        self.house.carry_out(desk);
    }
}

/// A session's place in the table of owners.
struct Owned {
    house: Arc<House>,
    id: SessionId,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut desk = self.house.desk();
        let _gone = desk.owners.remove(&self.id);
        // Harmless after a last report, and the only word of a thread that panicked.
        desk.registry.lost(uptime(), self.id);
        self.house.carry_out(desk);
    }
}
