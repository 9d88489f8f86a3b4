//! A traced client talks to a server through cuts; what it wrote down is done again.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use unbroken_proto::config::Seed;
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_proto::server::{Admission, Registry, Route};
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Carrier, Cause, ClientConfig, Duration, Epoch, Instant, ServerConfig, Session};
use unbroken_trace::{ReplayError, Traced, replay};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn secret() -> SharedSecret {
    SharedSecret::from_key(b"trace", [7; 32]).unwrap()
}

fn config() -> ClientConfig {
    ClientConfig::new(Auth::secret(secret()))
}

struct Pair {
    now: Instant,
    client: Traced,
    registry: Registry,
    server: Option<Session>,
}

impl Pair {
    /// Dials, and carries packets until `most` have gone each way or none is left. Then the connection is cut.
    fn connection(&mut self, most: usize) {
        let Some(intent) = self.client.wanted_connection() else {
            return;
        };
        self.now = self.now.max(intent.not_before);
        self.client.handle_timeout(self.now);
        let ours = self.client.attach(self.now, Carrier::ordered()).unwrap();
        let connection = self.registry.connection_accepted(self.now, Carrier::ordered());
        let theirs = self.shake(ours, connection);
        let server = self.server.as_mut().unwrap();
        for _ in 0..most {
            self.now = self.now + Duration::from_millis(1);
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
        server.detach(self.now, theirs, Cause::Network);
    }

    fn shake(&mut self, ours: Epoch, connection: unbroken_proto::server::ConnectionId) -> Epoch {
        let (now, mut packet) = (self.now, Vec::new());
        assert!(self.client.poll_transmit(now, ours, &mut packet));
        let mut incoming = match self.registry.first_packet(now, connection, BytesMut::from(&packet[..])) {
            Route::Resume { incoming, .. } => return self.server.as_mut().unwrap().adopt(now, incoming).unwrap(),
            Route::Handshake(incoming) => incoming,
            Route::Lookup { .. } => panic!("nothing is looked up"),
            Route::Reject(_) => panic!("refused"),
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

fn recorded() -> Vec<u8> {
    let paper = Paper::default();
    let now = Instant::from_millis(1_000);
    let mut server = ServerConfig::new(ServerAuth::secrets(vec![secret()]));
    server.session.fragment_size = 1_000;
    let mut pair = Pair {
        now,
        client: Traced::connect(config(), Seed([3; 32]), now, paper.clone()).unwrap(),
        registry: Registry::new(server, Seed([4; 32]), now).unwrap(),
        server: None,
    };
    let stream = pair.client.open(now, StreamOptions::default()).unwrap();
    for part in 0..40u8 {
        let _ = pair
            .client
            .stream(stream)
            .send(pair.now, Bytes::from(vec![part; 30_000]));
        pair.connection(usize::from(part % 5));
        let mut bytes = Bytes::from(vec![part; 10]);
        let _ = pair.client.stream(stream).write(pair.now, &mut bytes);
    }
    pair.client.abort(pair.now);
    assert!(pair.client.poll_event().is_some());
    assert!(pair.client.stats().attaches > 10);
    assert!(pair.client.trace_error().is_none());
    drop(pair);
    let lines = paper.0.lock().unwrap();
    lines.clone()
}

#[test]
fn a_record_replays_to_the_same_bytes() {
    let lines = recorded();
    let count = lines.iter().filter(|byte| **byte == b'\n').count();
    let done = replay(config(), &lines[..]).unwrap();
    assert_eq!(usize::try_from(done).unwrap() + 1, count);
    assert!(done > 200, "{done}");
}

#[test]
fn another_configuration_is_noticed() {
    let mut other = config();
    other.session.fragment_size = 2_000;
    let error = replay(other, &recorded()[..]).unwrap_err();
    assert!(matches!(error, ReplayError::Diverged { .. }), "{error}");
}

#[test]
fn what_is_no_record_is_refused() {
    for text in [
        "",
        "{}",
        "nonsense\n",
        "{\"start\":{\"format\":2,\"side\":\"Client\",\"seed\":null,\"at\":0}}\n",
    ] {
        assert!(
            matches!(replay(config(), text.as_bytes()), Err(ReplayError::Start)),
            "{text}"
        );
    }
    let mut lines = recorded();
    lines.extend_from_slice(b"{\"at\":1,\"call\":\"explode\"}\n");
    assert!(matches!(
        replay(config(), &lines[..]),
        Err(ReplayError::Malformed { .. })
    ));
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_ends_the_record_and_not_the_session() {
    let now = Instant::from_millis(1_000);
    let mut client = Traced::connect(config(), Seed([3; 32]), now, Full).unwrap();
    assert!(client.open(now, StreamOptions::default()).is_ok());
    assert_eq!(
        client.trace_error().map(io::Error::kind),
        Some(io::ErrorKind::StorageFull)
    );
}
