//! The accepting side for a host with a poll loop of its own.

use std::collections::{BTreeMap, VecDeque};

use unbroken_proto::config::{Seed, ServerConfig};
use unbroken_proto::error::ConfigError;
use unbroken_proto::server::{Admission, Incoming, Placement, Refusal, Registry, Rejection, Request};
use unbroken_proto::{Carrier, Instant, Session, SessionId};

use crate::connection::Connection;
use crate::door::{Door, Visitor};
use crate::links::{Links, Turn};
use crate::stepper::{Next, Stepper};

/// Decides on a proven client, and where its session belongs.
type Authorise = Box<dyn FnMut(&Request) -> Result<Placement, Refusal> + Send>;

/// A listening service, driven by [`step`](StepServer::step): its registry, the connections that have no session yet,
/// and all its sessions, on one thread and without waiting.
///
/// Each step looks at every connection: for some hundreds of sessions. See `examples/mio.rs`.
pub struct StepServer<C> {
    registry: Registry,
    authorise: Authorise,
    doors: Vec<Door<C>>,
    leaving: Links<C>,
    sessions: BTreeMap<SessionId, Owned<C>>,
    established: VecDeque<SessionId>,
}

struct Owned<C> {
    stepper: Stepper<C>,
    /// Until the host has heard of it.
    request: Option<Request>,
    announced: bool,
}

impl<C: Connection> StepServer<C> {
    /// A server that asks `authorise` about every proven client.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(
        config: ServerConfig,
        seed: Seed,
        now: Instant,
        authorise: impl FnMut(&Request) -> Result<Placement, Refusal> + Send + 'static,
    ) -> Result<StepServer<C>, ConfigError> {
        Ok(StepServer {
            registry: Registry::new(config, seed, now)?,
            authorise: Box::new(authorise),
            doors: Vec::new(),
            leaving: Links::new(),
            sessions: BTreeMap::new(),
            established: VecDeque::new(),
        })
    }

    /// A connection was accepted.
    pub fn accept(&mut self, now: Instant, carrier: Carrier, connection: C) {
        let id = self.registry.connection_accepted(now, carrier);
        self.doors.push(Door::new(id, connection));
    }

    /// The registry: to list, order about and drain its sessions. [`step`](Self::step) afterwards.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The next session to be established, and who it is with.
    pub fn poll_established(&mut self) -> Option<(SessionId, Request)> {
        while let Some(id) = self.established.pop_front() {
            let owned = self.sessions.get_mut(&id);
            if let Some(request) = owned.and_then(|owned| owned.request.take()) {
                return Some((id, request));
            }
        }
        None
    }

    /// A session's machine. [`step`](Self::step) afterwards. A session that is over stays, to be read to its end,
    /// until [`remove`](Self::remove).
    pub fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id).map(|owned| owned.stepper.session_mut())
    }

    /// Forgets a session that is over; `None` if it is not, or its connections are not closed yet.
    pub fn remove(&mut self, id: SessionId) -> Option<Session> {
        let over = self.sessions.get(&id).is_some_and(|owned| owned.stepper.is_over());
        over.then(|| self.sessions.remove(&id))
            .flatten()
            .map(|owned| owned.stepper.into_session())
    }

    /// The connections whose sockets matter, as [`Stepper::connections`].
    pub fn connections(&self) -> impl Iterator<Item = &C> {
        let doors = self.doors.iter().map(|door| &door.connection);
        let owned = self.sessions.values().flat_map(|owned| owned.stepper.connections());
        doors.chain(self.leaving.iter()).chain(owned)
    }

    /// Reads, keeps time, writes, as far as nothing blocks.
    pub fn step(&mut self, now: Instant) -> Next {
        if self.registry.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.registry.handle_timeout(now);
        }
        self.receive(now);
        self.pass_on(now);
        let mut next = Next {
            at_once: false,
            deadline: None,
        };
        for (id, owned) in &mut self.sessions {
            next = next.earliest(owned.stepper.step(now));
            if !owned.announced && owned.stepper.session().stats().attaches > 0 {
                owned.announced = true;
                self.established.push_back(*id);
            }
            while let Some(report) = owned.stepper.session_mut().poll_report() {
                self.registry.update(now, report);
            }
        }
        // Who never was established was never shown.
        self.sessions
            .retain(|_, owned| owned.announced || !owned.stepper.is_over());
        let leaving = self.leaving.read(now, None).or(self.leaving.write(now, None));
        // What the sessions reported may be orders for others.
        next.at_once |= self.pass_on(now) || leaving == Turn::More;
        next.deadline = [next.deadline, self.registry.poll_timeout(), self.leaving.deadline()]
            .into_iter()
            .flatten()
            .min();
        next
    }

    /// What the registry decided. True if a session was told something.
    fn pass_on(&mut self, now: Instant) -> bool {
        while let Some(unwanted) = self.registry.poll_unwanted() {
            self.doors.retain(|door| door.id != unwanted);
        }
        let mut any = false;
        while let Some((id, order)) = self.registry.poll_command() {
            if let Some(session) = self.session_mut(id) {
                session.handle_command(now, order);
                any = true;
            }
        }
        while self.registry.poll_ended().is_some() {}
        any
    }

    fn receive(&mut self, now: Instant) {
        for mut door in std::mem::take(&mut self.doors) {
            let registry = &mut self.registry;
            match door.step(now, |id, packet| registry.first_packet(now, id, packet)) {
                Ok(Visitor::Waiting) => self.doors.push(door),
                Ok(Visitor::Proven(request, incoming)) => self.decide(now, door.connection, *request, incoming),
                Ok(Visitor::Known(id, incoming)) => self.hand_over(now, id, incoming, door.connection),
                Ok(Visitor::Rejected(rejection)) => self.turn_away(now, door.connection, rejection),
                Err(_) => self.registry.connection_closed(now, door.id),
            }
        }
    }

    fn decide(&mut self, now: Instant, connection: C, request: Request, incoming: Incoming) {
        let admission = match (self.authorise)(&request) {
            Ok(placement) => self.registry.admit_as(now, incoming, &placement),
            Err(refusal) => Admission::Reject(self.registry.refuse(now, incoming, refusal)),
        };
        match admission {
            Admission::New { session, epoch } => {
                let Some(id) = session.id() else { return };
                let owned = Owned {
                    stepper: Stepper::accepted(session, epoch, connection),
                    request: Some(request),
                    announced: false,
                };
                self.sessions.insert(id, owned);
            }
            Admission::Resume { session, incoming } => self.hand_over(now, session, incoming, connection),
            Admission::Reject(rejection) => self.turn_away(now, connection, rejection),
        }
    }

    fn hand_over(&mut self, now: Instant, id: SessionId, incoming: Incoming, connection: C) {
        let refused = match self.sessions.get_mut(&id) {
            Some(owned) => owned.stepper.adopt(now, incoming, connection).err(),
            None => Some((connection, self.registry.orphan(now, incoming))),
        };
        if let Some((connection, rejection)) = refused {
            self.turn_away(now, connection, rejection);
        }
    }

    fn turn_away(&mut self, now: Instant, connection: C, rejection: Rejection) {
        self.leaving.turn_away(now, connection, rejection.packet);
    }
}
