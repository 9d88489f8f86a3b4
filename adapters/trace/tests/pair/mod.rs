//! A traced client and its server, packet by packet.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use unbroken_proto::config::Seed;
use unbroken_proto::durable::Record;
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_proto::server::{Admission, ConnectionId, Registry, Route};
use unbroken_proto::{Carrier, Cause, ClientConfig, Duration, Epoch, Instant, ServerConfig, Session};
use unbroken_trace::Traced;

#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn secret() -> SharedSecret {
    SharedSecret::from_key(b"trace", [7; 32]).unwrap()
}

pub(crate) fn config() -> ClientConfig {
    ClientConfig::new(Auth::secret(secret()))
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) client: Traced,
    registry: Registry,
    server: Option<Session>,
    /// What the client had for its disk, if it is durable.
    pub(crate) kept: Vec<Record>,
}

impl Paper {
    /// What was written.
    pub(crate) fn lines(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Pair {
    pub(crate) fn new(client: Traced, now: Instant) -> Pair {
        let mut server = ServerConfig::new(ServerAuth::secrets(vec![secret()]));
        server.session.fragment_size = 1_000;
        Pair {
            now,
            client,
            registry: Registry::new(server, Seed([4; 32]), now).unwrap(),
            server: None,
            kept: Vec::new(),
        }
    }

    /// A disk that answers at once.
    pub(crate) fn keep(&mut self) {
        while let Some(record) = self.client.poll_record() {
            self.client.handle_persisted(self.now, record.number);
            if record.is_snapshot {
                self.kept.clear();
            }
            self.kept.push(record);
        }
    }

    /// Dials, and carries packets until `most` have gone each way or none is left. Then the connection is cut.
    pub(crate) fn connection(&mut self, most: usize) {
        let Some(intent) = self.client.wanted_connection() else {
            return;
        };
        self.now = self.now.max(intent.not_before);
        self.client.handle_timeout(self.now);
        let ours = self.client.attach(self.now, Carrier::ordered()).unwrap();
        self.keep();
        let connection = self.registry.connection_accepted(self.now, Carrier::ordered());
        let theirs = self.shake(ours, connection);
        for _ in 0..most {
            self.now = self.now + Duration::from_millis(1);
            self.keep();
            let server = self.server.as_mut().unwrap();
            let mut packet = Vec::new();
            if self.client.poll_transmit(self.now, ours, &mut packet) {
                server
                    .handle_input(self.now, theirs, BytesMut::from(&packet[..]))
                    .unwrap();
            }
            packet.clear();
            if server.poll_transmit(self.now, theirs, &mut packet) {
                self.client
                    .handle_input(self.now, ours, BytesMut::from(&packet[..]))
                    .unwrap();
            }
            while let Some(event) = self.client.poll_event() {
                drop(event);
            }
        }
        self.client.detach(self.now, ours, Cause::Network);
        let server = self.server.as_mut().unwrap();
        server.detach(self.now, theirs, Cause::Network);
    }

    fn shake(&mut self, ours: Epoch, connection: ConnectionId) -> Epoch {
        let (now, mut packet) = (self.now, Vec::new());
        assert!(self.client.poll_transmit(now, ours, &mut packet));
        let mut incoming = match self.registry.first_packet(now, connection, BytesMut::from(&packet[..])) {
            Route::Resume { incoming, .. } => return self.server.as_mut().unwrap().adopt(now, incoming).unwrap(),
            Route::Handshake(incoming) => incoming,
            Route::Lookup { .. } | Route::Reject(_) => panic!("refused"),
        };
        packet.clear();
        incoming.poll_transmit(&mut packet);
        self.client
            .handle_input(now, ours, BytesMut::from(&packet[..]))
            .unwrap();
        packet.clear();
        assert!(self.client.poll_transmit(now, ours, &mut packet));
        incoming.handle_input(now, BytesMut::from(&packet[..])).unwrap();
        match self.registry.admit(now, incoming) {
            Admission::New { session, epoch } => {
                self.server = Some(session);
                epoch
            }
            _ => panic!("not admitted"),
        }
    }
}
