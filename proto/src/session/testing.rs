//! Two ends and a registry in one process, for the unit tests of this module.

use alloc::vec::Vec;

use bytes::BytesMut;

use super::Session;
use crate::config::{ClientConfig, Seed, ServerConfig, SessionConfig};
use crate::event::Event;
use crate::id::{Carrier, Epoch};
use crate::reconnect::Cause;
use crate::security::{Auth, ServerAuth, SharedSecret};
use crate::server::{Admission, Incoming, Registry, Route};
use crate::time::{Duration, Instant};
use crate::wire::packet::PacketType;

pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) registry: Registry,
    pub(super) client: Session,
    pub(super) server: Option<Session>,
    /// The connections: the client's epoch and, once it has one, the server's.
    pub(super) links: Vec<(Epoch, Option<Epoch>)>,
    /// What the client says behind FINAL never arrives.
    pub(super) confirm_lost: bool,
    /// A connection of the client's on which the line holds up what it said, and takes no more.
    pub(super) held: Option<Epoch>,
    /// Lines hold what they are known to hold, and not everything.
    pub(super) narrow: bool,
}

impl Pair {
    pub(super) fn new() -> Pair {
        Pair::with(|_, _| {})
    }

    pub(super) fn with(adjust: impl FnOnce(&mut SessionConfig, &mut SessionConfig)) -> Pair {
        Pair::with_configs(|client, server| adjust(&mut client.session, &mut server.session))
    }

    pub(super) fn with_client(adjust: impl FnOnce(&mut ClientConfig)) -> Pair {
        Pair::with_configs(|client, _| adjust(client))
    }

    pub(super) fn with_configs(adjust: impl FnOnce(&mut ClientConfig, &mut ServerConfig)) -> Pair {
        let secret = SharedSecret::from_key(b"test", [7; 32]).expect("because the hint is short");
        let mut server = ServerConfig::new(ServerAuth::secrets(alloc::vec![secret.clone()]));
        let mut client = ClientConfig::new(Auth::secret(secret));
        adjust(&mut client, &mut server);
        let now = Instant::from_millis(1_000);
        let registry = Registry::new(server, Seed([1; 32]), now).expect("because the limits are valid");
        let client = Session::connect(client, Seed([2; 32]), now).expect("because the limits are valid");
        Pair {
            now,
            registry,
            client,
            server: None,
            links: Vec::new(),
            confirm_lost: false,
            held: None,
            narrow: false,
        }
    }

    /// Answers the client's wish and carries packets until nobody has any.
    pub(super) fn dial(&mut self) {
        let epoch = self
            .client
            .attach(self.now, Carrier::ordered())
            .expect("because a connection is wanted");
        self.links.push((epoch, None));
        let mut incoming = None;
        let connection = self.registry.connection_accepted(self.now, Carrier::ordered());
        let mut hello = Vec::new();
        assert!(self.client.poll_transmit(self.now, epoch, &mut hello));
        match self
            .registry
            .first_packet(self.now, connection, BytesMut::from(&hello[..]))
        {
            Route::Handshake(handshake) => incoming = Some(handshake),
            Route::Resume { incoming, .. } => {
                let server = self.server.as_mut().expect("because it is registered");
                self.links.last_mut().expect("because just pushed").1 =
                    Some(server.adopt(self.now, incoming).expect("because the proof is good"));
            }
            Route::Lookup { .. } => panic!("nothing is looked up"),
            Route::Reject(rejection) => panic!("rejected: {rejection:?}"),
        }
        if let Some(mut incoming) = incoming {
            let mut challenge = Vec::new();
            assert!(incoming.poll_transmit(&mut challenge));
            self.client
                .handle_input(self.now, epoch, BytesMut::from(&challenge[..]))
                .expect("because it is honest");
            let mut proof = Vec::new();
            assert!(self.client.poll_transmit(self.now, epoch, &mut proof));
            incoming
                .handle_input(self.now, BytesMut::from(&proof[..]))
                .expect("because it is honest");
            assert!(incoming.request().is_some());
            match self.registry.admit(self.now, incoming) {
                Admission::New { session, epoch } => {
                    self.server = Some(session);
                    self.links.last_mut().expect("because just pushed").1 = Some(epoch);
                }
                Admission::Resume { .. } | Admission::Lookup { .. } | Admission::Reject(_) => panic!("not admitted"),
            }
        }
        self.settle();
    }

    /// Has lines that hold everything, since nothing takes any time here.
    pub(super) fn lift(&mut self) {
        for session in core::iter::once(&mut self.client).chain(&mut self.server) {
            if let Some(current) = &mut session.connections.current {
                current.flight.lift();
            }
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            if !self.narrow {
                self.lift();
            }
            let mut moved = false;
            for (ours, theirs) in self.links.clone() {
                let Some(theirs) = theirs else { continue };
                let server = self.server.as_mut().expect("because it has an epoch");
                if !self.confirm_lost && self.held != Some(ours) {
                    moved |= shuttle(self.now, &mut self.client, ours, server, theirs);
                }
                moved |= shuttle(self.now, server, theirs, &mut self.client, ours);
            }
            self.settle_registry();
            if !moved {
                return;
            }
        }
    }

    pub(super) fn settle_registry(&mut self) {
        if let Some(report) = self.server.as_mut().and_then(Session::poll_report) {
            self.registry.update(self.now, report);
        }
    }

    /// Dials a registry whose session is over, whether it knows already or its owner has to answer, whatever comes of it.
    pub(super) fn redial(&mut self) {
        let Some(intent) = self.client.wanted_connection() else {
            return;
        };
        self.now = self.now.max(intent.not_before);
        let epoch = self
            .client
            .attach(self.now, Carrier::ordered())
            .expect("because a connection is wanted");
        self.answer(epoch);
    }

    /// What the client hears that dials on that connection.
    pub(super) fn answer(&mut self, epoch: Epoch) {
        let connection = self.registry.connection_accepted(self.now, Carrier::ordered());
        let mut packet = Vec::new();
        assert!(self.client.poll_transmit(self.now, epoch, &mut packet));
        let answer = match self
            .registry
            .first_packet(self.now, connection, BytesMut::from(&packet[..]))
        {
            Route::Lookup { .. } => panic!("nothing is looked up"),
            Route::Reject(rejection) => rejection.packet,
            Route::Resume { incoming, .. } => self.refused_by_owner(incoming),
            Route::Handshake(mut incoming) => {
                packet.clear();
                incoming.poll_transmit(&mut packet);
                self.client
                    .handle_input(self.now, epoch, BytesMut::from(&packet[..]))
                    .expect("because it is honest");
                packet.clear();
                assert!(self.client.poll_transmit(self.now, epoch, &mut packet));
                incoming
                    .handle_input(self.now, BytesMut::from(&packet[..]))
                    .expect("because it is honest");
                match self.registry.admit(self.now, incoming) {
                    Admission::New { mut session, epoch } => {
                        packet.clear();
                        if let Some(record) = session.poll_record() {
                            session.handle_persisted(self.now, record.number);
                        }
                        session.poll_transmit(self.now, epoch, &mut packet);
                        Some(packet)
                    }
                    Admission::Lookup { .. } => panic!("nothing is looked up"),
                    Admission::Reject(rejection) => rejection.packet,
                    Admission::Resume { incoming, .. } => self.refused_by_owner(incoming),
                }
            }
        };
        let answer = answer.expect("because every refusal here says something");
        self.client
            .handle_input(self.now, epoch, BytesMut::from(&answer[..]))
            .expect("because it is honest");
    }

    /// What the owner of a session that is over answers.
    fn refused_by_owner(&mut self, incoming: Incoming) -> Option<Vec<u8>> {
        let now = self.now;
        let rejection = self.server().adopt(now, incoming).expect_err("the session is over");
        rejection.packet
    }

    pub(super) fn cut(&mut self) {
        self.cut_with(Cause::Network);
    }

    pub(super) fn cut_with(&mut self, cause: Cause) {
        for (ours, theirs) in core::mem::take(&mut self.links) {
            self.client.detach(self.now, ours, cause);
            if let (Some(server), Some(theirs)) = (&mut self.server, theirs) {
                server.detach(self.now, theirs, Cause::Network);
            }
        }
    }

    pub(super) fn server(&mut self) -> &mut Session {
        self.server.as_mut().expect("because dialled")
    }

    pub(super) fn sleep(&mut self, time: Duration) {
        self.now = self.now + time;
        self.client.handle_timeout(self.now);
        let now = self.now;
        self.server().handle_timeout(now);
    }
}

pub(super) fn shuttle(now: Instant, from: &mut Session, a: Epoch, to: &mut Session, b: Epoch) -> bool {
    let mut packet = Vec::new();
    let mut moved = false;
    loop {
        let wanted = from.wants_transmit();
        if !from.poll_transmit(now, a, &mut packet) {
            return moved;
        }
        assert!(wanted, "it said that there is nothing to send");
        to.handle_input(now, b, BytesMut::from(&packet[..]))
            .expect("because both ends are honest");
        packet.clear();
        moved = true;
    }
}

/// All events but those about attempts and health.
pub(super) fn events(session: &mut Session) -> Vec<Event> {
    let all = core::iter::from_fn(|| session.poll_event());
    all.filter(|event| !matches!(event, Event::Reconnect(_) | Event::Health(_)))
        .collect()
}

/// A packet that `session` never packed: what it would say on the connection `epoch` if it were hostile.
pub(super) fn seal(session: &mut Session, epoch: Epoch, plaintext: &[u8]) -> Vec<u8> {
    let mut packet = Vec::from([PacketType::Sealed.byte()]);
    packet.extend_from_slice(plaintext);
    let mut keys = session.send_keys(epoch).expect("because the connection is current");
    assert!(keys.seal(&mut packet), "because the key is fresh");
    packet
}
