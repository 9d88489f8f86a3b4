//! The accepting end: a registry and the sessions that it made.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::BytesMut;

use super::end::{End, act, gets};
use super::script::{Script, number};
use crate::accept::{Incoming, Refusal, Rejection};
use crate::config::{Seed, ServerConfig};
use crate::id::{Carrier, Epoch, SessionId, Side};
use crate::reconnect::Cause;
use crate::server::{Admission, Registry, Route};
use crate::session::Session;
use crate::time::{Duration, Instant};

enum Connection {
    Handshake(Incoming),
    /// Of this session.
    Attached(SessionId, Epoch),
    /// To be closed behind this packet.
    Rejected(Option<Vec<u8>>),
    Closed,
}

pub(super) struct Server {
    config: ServerConfig,
    registry: Registry,
    sessions: Vec<Session>,
    connections: BTreeMap<u64, Connection>,
    /// What the next client that has proven itself hears.
    refusal: Option<Refusal>,
    /// How often it was started.
    starts: u8,
}

impl Server {
    pub(super) fn new(script: &Script) -> Server {
        let mut config = ServerConfig::new(script.server_auth())
            .with_suites(script.suites(Side::Server))
            .with_session(script.limits(Side::Server));
        let rate = script.value(Side::Server, "hello_rate").map(number);
        config.hello_rate = rate.map_or(config.hello_rate, |rate| rate as u32);
        let registry = Registry::new(config.clone(), Seed([1; 32]), Instant::from_millis(0));
        Server {
            config,
            registry: registry.expect("because the configuration is sound"),
            sessions: Vec::new(),
            connections: BTreeMap::new(),
            refusal: None,
            starts: 1,
        }
    }

    fn session(&mut self, id: SessionId) -> &mut Session {
        let mut sessions = self.sessions.iter_mut();
        let session = sessions.find(|session| session.id() == Some(id));
        session.expect("because sessions stay here until the server is started anew")
    }

    fn first(&mut self, now: Instant, packet: &[u8]) -> Connection {
        let connection = self.registry.connection_accepted(now, Carrier::ordered());
        match self.registry.first_packet(now, connection, BytesMut::from(packet)) {
            Route::Handshake(incoming) => Connection::Handshake(incoming),
            Route::Resume { session, incoming } => self.adopt(now, session, incoming),
            Route::Lookup { .. } => panic!("nothing is looked up"),
            Route::Reject(rejection) => rejected(rejection),
        }
    }

    fn adopt(&mut self, now: Instant, session: SessionId, incoming: Incoming) -> Connection {
        match self.session(session).adopt(now, incoming) {
            Ok(epoch) => Connection::Attached(session, epoch),
            Err(rejection) => rejected(rejection),
        }
    }

    fn proof(&mut self, now: Instant, mut incoming: Incoming, packet: &[u8]) -> Connection {
        if incoming.handle_input(now, BytesMut::from(packet)).is_err() {
            return Connection::Rejected(None);
        }
        if let Some(refusal) = self.refusal.take() {
            return rejected(self.registry.refuse(now, incoming, refusal));
        }
        match self.registry.admit(now, incoming) {
            Admission::New { session, epoch } => {
                let id = session.id().expect("because its handshake is over");
                self.sessions.push(session);
                Connection::Attached(id, epoch)
            }
            Admission::Resume { session, incoming } => self.adopt(now, session, incoming),
            Admission::Lookup { .. } => panic!("nothing is looked up"),
            Admission::Reject(rejection) => rejected(rejection),
        }
    }

    fn report(&mut self, now: Instant) {
        for report in self.sessions.iter_mut().filter_map(Session::poll_report) {
            self.registry.update(now, report);
        }
    }
}

fn rejected(rejection: Rejection) -> Connection {
    Connection::Rejected(rejection.packet)
}

fn refusal(words: &[&str]) -> Refusal {
    match words {
        ["Unauthorized"] => Refusal::Unauthorized,
        ["RefreshCredentials"] => Refusal::RefreshCredentials,
        ["Busy"] => Refusal::Busy,
        ["RetryLater", after] => Refusal::RetryLater {
            after: Duration::from_millis(number(after)),
            alternate: Vec::new().into(),
        },
        other => panic!("{other:?} is no refusal"),
    }
}

impl End for Server {
    fn does(&mut self, now: Instant, step: &[&str]) {
        match step {
            ["refuses", words @ ..] => self.refusal = Some(refusal(words)),
            ["forgets"] => {
                self.starts += 2;
                let registry = Registry::new(self.config.clone(), Seed([self.starts; 32]), now);
                self.registry = registry.expect("because it was good before");
                self.sessions.clear();
                self.connections
                    .values_mut()
                    .for_each(|connection| *connection = Connection::Closed);
            }
            step => act(self.sessions.last_mut().expect("because there is a session"), now, step),
        }
    }

    fn wait(&mut self, now: Instant) {
        self.registry.handle_timeout(now);
        self.sessions.iter_mut().for_each(|session| session.handle_timeout(now));
    }

    fn poll(&mut self, now: Instant, connection: u64, _: usize) -> Option<Vec<u8>> {
        let mut packet = Vec::new();
        let polled = match self.connections.get_mut(&connection)? {
            Connection::Handshake(incoming) => incoming.poll_transmit(&mut packet),
            Connection::Rejected(last) => return last.take(),
            Connection::Closed => return None,
            Connection::Attached(id, epoch) => {
                let (id, epoch) = (*id, *epoch);
                self.session(id).poll_transmit(now, epoch, &mut packet)
            }
        };
        self.report(now);
        polled.then_some(packet)
    }

    fn input(&mut self, now: Instant, connection: u64, packet: &[u8]) {
        let next = match self.connections.remove(&connection) {
            None => self.first(now, packet),
            Some(Connection::Handshake(incoming)) => self.proof(now, incoming, packet),
            Some(Connection::Attached(id, epoch)) => {
                let _closes = self.session(id).handle_input(now, epoch, BytesMut::from(packet));
                Connection::Attached(id, epoch)
            }
            Some(over) => over,
        };
        self.connections.insert(connection, next);
    }

    fn lose(&mut self, now: Instant, connection: u64) {
        match self.connections.insert(connection, Connection::Closed) {
            Some(Connection::Attached(id, epoch)) => self.session(id).detach(now, epoch, Cause::Network),
            Some(Connection::Handshake(incoming)) => self.registry.connection_closed(now, incoming.connection()),
            Some(Connection::Rejected(_) | Connection::Closed) | None => {}
        }
    }

    fn closes(&mut self, connection: u64, _: usize) -> bool {
        let closes = match self.connections.get(&connection) {
            Some(Connection::Attached(id, epoch)) => {
                let (id, epoch) = (*id, *epoch);
                !self.session(id).is_wanted(epoch)
            }
            Some(Connection::Rejected(_)) => true,
            Some(Connection::Handshake(_) | Connection::Closed) | None => false,
        };
        if closes {
            self.connections.insert(connection, Connection::Closed);
        }
        closes
    }

    fn gets(&mut self, now: Instant) -> Vec<String> {
        let heard = self
            .sessions
            .iter_mut()
            .flat_map(|session| gets(session, now))
            .collect();
        self.report(now);
        heard
    }
}
