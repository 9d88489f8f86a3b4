//! The server: a registry, connections that have not proven themselves, and an owner for each session.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use unbroken_proto::config::ServerConfig;
use unbroken_proto::server::{
    Admission, ConnectionId, Delivery, EndedSession, Incoming, Placement, Registry, Rejection, Report, Request, Route,
    Select, SessionCommand, Subscription,
};
use unbroken_proto::stream::Chunk;
use unbroken_proto::{Carrier, Cause, Epoch, Event, Session, SessionId};

use super::queue::{ConnId, Scheduled};
use super::{End, Population, peer};

/// What one session made of one broadcast message.
pub type Verdict = (SessionId, u64, Delivery);

/// See the module. A session's identity is the first word of the name its client gave it.
#[derive(Debug)]
pub struct Server {
    /// Knows about sessions.
    pub registry: Registry,
    /// Own them.
    pub owners: BTreeMap<SessionId, Owner>,
    /// Sessions the registry said are over.
    pub over: BTreeMap<SessionId, EndedSession>,
    /// Sessions that were admitted.
    pub admitted: Vec<SessionId>,
    /// When a session was attached, each time.
    pub attaches: Vec<u64>,
    /// What became of broadcast messages.
    pub verdicts: Vec<Verdict>,
    /// Messages that owners received.
    pub heard: u64,
    pub(super) config: ServerConfig,
    pending: BTreeMap<ConnId, Pending>,
    conns: BTreeMap<ConnId, SessionId>,
    by_number: BTreeMap<ConnectionId, ConnId>,
    planned: Option<u64>,
    /// Mail and reports stay in order.
    last_report: u64,
}

/// A session and what its host keeps for it.
#[derive(Debug)]
pub struct Owner {
    /// Its machine.
    pub session: Session,
    /// What its client said of itself.
    pub request: Request,
    subscription: Option<Subscription>,
    conns: BTreeMap<ConnId, Epoch>,
    planned: Option<u64>,
}

#[derive(Debug)]
struct Pending {
    number: ConnectionId,
    incoming: Option<Incoming>,
}

/// What an owner is asked to do.
#[derive(Debug)]
pub enum Mail {
    /// By the registry.
    SessionCommand(SessionCommand),
    /// A broadcast message: its number, and the place in the broadcaster that the first one takes.
    Message(u64, Bytes, fn() -> Subscription),
}

impl Server {
    pub(super) fn new(registry: Registry, config: ServerConfig) -> Server {
        Server {
            registry,
            owners: BTreeMap::new(),
            over: BTreeMap::new(),
            admitted: Vec::new(),
            attaches: Vec::new(),
            verdicts: Vec::new(),
            heard: 0,
            config,
            pending: BTreeMap::new(),
            conns: BTreeMap::new(),
            by_number: BTreeMap::new(),
            planned: None,
            last_report: 0,
        }
    }
}

impl Population {
    pub(super) fn accepted(&mut self, conn: ConnId) {
        let now = self.instant();
        let Some(client) = self.conns.get(&conn).map(|conn| conn.client) else {
            return;
        };
        let carrier = Carrier::ordered().from_peer(peer(client));
        let number = self.server.registry.connection_accepted(now, carrier);
        self.server.by_number.insert(number, conn);
        let incoming = None;
        self.server.pending.insert(conn, Pending { number, incoming });
        self.tidy();
    }

    /// What the registry wants, carried out; asked after each call that may have changed it.
    ///
    /// # Panics
    /// A session is over twice.
    pub fn tidy(&mut self) {
        while let Some(number) = self.server.registry.poll_unwanted() {
            if let Some(conn) = self.server.by_number.remove(&number) {
                self.server.pending.remove(&conn);
                self.close(conn, End::Server);
            }
        }
        while let Some((session, command)) = self.server.registry.poll_command() {
            let at = self.report_delay();
            self.queue
                .push(at, Scheduled::Mail(session, Mail::SessionCommand(command)));
        }
        while let Some(over) = self.server.registry.poll_ended() {
            let id = over.info.id;
            let before = self.server.over.insert(id, over);
            assert!(before.is_none(), "cleaned up twice after {id}: {before:?}");
        }
        let due = self
            .server
            .registry
            .poll_timeout()
            .map(|at| at.as_nanos().max(self.now));
        if let Some(at) = due.filter(|at| self.server.planned.is_none_or(|planned| *at < planned)) {
            self.server.planned = Some(at);
            self.queue.push(at, Scheduled::RegistryDue);
        }
    }

    fn report_delay(&mut self) -> u64 {
        let at = self.now + self.rng.below(self.conditions.report_delay);
        self.server.last_report = self.server.last_report.max(at);
        self.server.last_report
    }

    pub(super) fn front_timer(&mut self) {
        self.server.planned = None;
        let now = self.instant();
        self.server.registry.handle_timeout(now);
        self.tidy();
    }

    pub(super) fn reported(&mut self, report: Report) {
        let now = self.instant();
        self.server.registry.update(now, report);
        self.tidy();
    }

    /// Commands something, as the application would.
    pub fn command(&mut self, select: Select<'_>, command: &SessionCommand) -> usize {
        let now = self.instant();
        let ordered = self
            .server
            .registry
            .command(now, select, command)
            .expect("because the code fits");
        self.tidy();
        ordered
    }

    /// Sends message `number` to whom `select` means.
    pub fn broadcast(&mut self, select: Select<'_>, message: (u64, Bytes), subscription: fn() -> Subscription) {
        for session in self.server.registry.find(select) {
            let at = self.report_delay();
            let mail = Mail::Message(message.0, message.1.clone(), subscription);
            self.queue.push(at, Scheduled::Mail(session, mail));
        }
    }

    pub(super) fn mail(&mut self, session: SessionId, mail: Mail) {
        let now = self.instant();
        let Some(owner) = self.server.owners.get_mut(&session) else {
            if let Mail::Message(number, ..) = mail {
                self.server.verdicts.push((session, number, Delivery::Declined));
            }
            return;
        };
        match mail {
            Mail::SessionCommand(command) => owner
                .session
                .handle_command(now, command)
                .expect("because the code fits"),
            Mail::Message(number, message, subscription) => {
                let listener = owner.subscription.get_or_insert_with(subscription);
                let delivery = listener.deliver(now, &mut owner.session, &message);
                self.server.verdicts.push((session, number, delivery));
            }
        }
        self.serve_server(session);
    }

    pub(super) fn server_packet(&mut self, conn: ConnId, packet: &[u8]) {
        let now = self.instant();
        if let Some(session) = self.server.conns.get(&conn).copied() {
            let Some(owner) = self.server.owners.get_mut(&session) else {
                return;
            };
            let Some(epoch) = owner.conns.get(&conn).copied() else {
                return;
            };
            if owner.session.handle_input(now, epoch, BytesMut::from(packet)).is_err() {
                owner.conns.remove(&conn);
                self.close(conn, End::Server);
            }
            return self.serve_server(session);
        }
        let Some(pending) = self.server.pending.remove(&conn) else {
            return;
        };
        match pending.incoming {
            None => {
                let route = self
                    .server
                    .registry
                    .first_packet(now, pending.number, BytesMut::from(packet));
                self.route(conn, pending.number, route);
            }
            Some(mut incoming) => {
                if incoming.handle_input(now, BytesMut::from(packet)).is_err() {
                    self.server.registry.connection_closed(now, pending.number);
                    self.close(conn, End::Server);
                } else {
                    self.decide(conn, incoming);
                }
            }
        }
        if !self.server.pending.contains_key(&conn) {
            self.server.by_number.remove(&pending.number);
        }
        self.tidy();
    }

    fn route(&mut self, conn: ConnId, number: ConnectionId, route: Route) {
        match route {
            Route::Handshake(mut incoming) => {
                let mut packet = Vec::new();
                incoming.poll_transmit(&mut packet);
                self.send(conn, End::Server, packet);
                let incoming = Some(incoming);
                self.server.pending.insert(conn, Pending { number, incoming });
            }
            Route::Resume { session, incoming } => self.adopt(conn, session, incoming),
            Route::Lookup { .. } => panic!("nothing is looked up"),
            Route::Reject(rejection) => self.turn_away(conn, rejection),
        }
    }

    fn decide(&mut self, conn: ConnId, incoming: Incoming) {
        let now = self.instant();
        let Some(request) = incoming.request().cloned() else {
            return;
        };
        let identity = request.name.split(' ').next().unwrap_or_default().to_owned();
        let placement = Placement::of(identity);
        match self.server.registry.admit_as(now, incoming, &placement) {
            Admission::New { session, epoch } => {
                let id = session.id().expect("because it was admitted");
                self.server.admitted.push(id);
                self.server.conns.insert(conn, id);
                let owner = Owner {
                    session,
                    request,
                    subscription: None,
                    conns: BTreeMap::from([(conn, epoch)]),
                    planned: None,
                };
                let before = self.server.owners.insert(id, owner);
                assert!(before.is_none(), "two sessions of one id");
                self.serve_server(id);
            }
            Admission::Resume { session, incoming } => self.adopt(conn, session, incoming),
            Admission::Lookup { .. } => panic!("nothing is looked up"),
            Admission::Reject(rejection) => self.turn_away(conn, rejection),
        }
    }

    fn adopt(&mut self, conn: ConnId, session: SessionId, incoming: Incoming) {
        let now = self.instant();
        let Some(owner) = self.server.owners.get_mut(&session) else {
            let rejection = self.server.registry.orphan(now, incoming);
            return self.turn_away(conn, rejection);
        };
        match owner.session.adopt(now, incoming) {
            Ok(epoch) => {
                owner.conns.insert(conn, epoch);
                self.server.conns.insert(conn, session);
            }
            Err(rejection) => self.turn_away(conn, rejection),
        }
        self.serve_server(session);
    }

    fn turn_away(&mut self, conn: ConnId, rejection: Rejection) {
        if let Some(packet) = rejection.packet {
            self.send(conn, End::Server, packet);
        }
        self.close(conn, End::Server);
    }

    pub(super) fn server_lost(&mut self, conn: ConnId) {
        let now = self.instant();
        if let Some(pending) = self.server.pending.remove(&conn) {
            self.server.by_number.remove(&pending.number);
            self.server.registry.connection_closed(now, pending.number);
            self.tidy();
        }
        let Some(session) = self.server.conns.remove(&conn) else {
            return;
        };
        if let Some(owner) = self.server.owners.get_mut(&session)
            && let Some(epoch) = owner.conns.remove(&conn)
        {
            owner.session.detach(now, epoch, Cause::Network);
        }
        self.serve_server(session);
    }

    /// Fires what is due at an owner, and carries out what its machine wants.
    pub(super) fn serve_server(&mut self, id: SessionId) {
        let now = self.instant();
        let Some(owner) = self.server.owners.get_mut(&id) else {
            return;
        };
        if owner.planned.is_some_and(|at| at <= self.now) {
            owner.planned = None;
        }
        if owner.session.poll_timeout().is_some_and(|at| at <= now) {
            owner.session.handle_timeout(now);
        }
        let mut over = false;
        while let Some(event) = owner.session.poll_event() {
            match event {
                Event::Attached { .. } => self.server.attaches.push(self.now),
                Event::Incoming => {
                    while owner.session.accept(now).is_some_and(|stream| {
                        self.server.heard += read(&mut owner.session, now, stream.id);
                        true
                    }) {}
                }
                Event::Readable(stream) => self.server.heard += read(&mut owner.session, now, stream),
                Event::Ended(_) => over = true,
                _ => {}
            }
        }
        let report = owner.session.poll_report();
        self.server_transmit(id);
        if let Some(report) = report {
            let at = self.report_delay();
            self.queue.push(at, Scheduled::Reported(report));
        }
        let Some(owner) = self.server.owners.get_mut(&id) else {
            return;
        };
        let due = owner.session.poll_timeout().map(|at| at.as_nanos().max(self.now));
        if let Some(at) = due.filter(|at| owner.planned.is_none_or(|planned| *at < planned)) {
            owner.planned = Some(at);
            self.queue.push(at, Scheduled::OwnerDue(id));
        }
        if over {
            self.retire(id);
        }
    }

    fn server_transmit(&mut self, id: SessionId) {
        let now = self.instant();
        let Some(owner) = self.server.owners.get(&id) else {
            return;
        };
        let conns: Vec<(ConnId, Epoch)> = owner.conns.iter().map(|(conn, epoch)| (*conn, *epoch)).collect();
        for (conn, epoch) in conns {
            let mut packet = Vec::new();
            while self
                .server
                .owners
                .get_mut(&id)
                .is_some_and(|owner| owner.session.poll_transmit(now, epoch, &mut packet))
            {
                self.send(conn, End::Server, std::mem::take(&mut packet));
            }
            if let Some(owner) = self.server.owners.get_mut(&id)
                && !owner.session.is_wanted(epoch)
            {
                owner.conns.remove(&conn);
                self.server.conns.remove(&conn);
                self.close(conn, End::Server);
            }
        }
    }

    /// The owner of a session that is over goes once its connections have.
    fn retire(&mut self, id: SessionId) {
        if let Some(owner) = self.server.owners.remove(&id) {
            for conn in owner.conns.into_keys() {
                self.server.conns.remove(&conn);
                self.close(conn, End::Server);
            }
        }
    }

    /// The application did something with this session's machine: what follows from it.
    pub fn with_owner(&mut self, id: SessionId) {
        self.serve_server(id);
    }

    /// The owner dies without a word, as a task that panics would.
    pub fn kill(&mut self, id: SessionId) {
        let now = self.instant();
        self.retire(id);
        self.server.registry.lost(now, id);
        self.tidy();
    }
}

/// Reads all there is; how many messages that is.
fn read(session: &mut Session, now: unbroken_proto::Instant, stream: unbroken_proto::StreamId) -> u64 {
    let mut whole = 0;
    while let Ok(Some(chunk)) = session.stream(stream).recv(now) {
        match chunk {
            Chunk::Data { message_end, .. } => whole += u64::from(message_end),
            Chunk::End => return whole,
        }
    }
    whole
}
