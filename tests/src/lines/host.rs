//! Who drives a machine, as an adapter does, and the application above it.

use bytes::{Bytes, BytesMut};
use unbroken_proto::config::{ClientConfig, Seed, ServerConfig, WindowBudget};
use unbroken_proto::error::SendRefusal;
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret, Suite};
use unbroken_proto::server::{Admission, Incoming, Registry, Route};
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::{Carrier, Epoch, Event, Instant, Session, SessionConfig, StreamId};

/// What the application writes at once.
pub(super) const BLOCK: usize = 16 << 10;
/// Bytes of an urgent message.
const URGENT: usize = 64;
/// The priority of urgent messages, before all others.
const HIGHEST: u8 = 0;

/// One end of a session.
pub(super) struct Host {
    /// The session, once there is one, and its connection.
    session: Option<(Session, Epoch)>,
    accepting: Option<Accepting>,
    app: App,
    /// Out of which its windows grow, and how much of it they had at most.
    budget: Option<(WindowBudget, usize)>,
    /// Payload bytes that the application has read.
    pub(super) read: u64,
    /// The most bytes of its outbox.
    pub(super) outbox: usize,
    /// The most bytes that it held for its application or ahead of their turn.
    pub(super) unread: usize,
    /// The instant for which it is to be woken.
    pub(super) due: Option<u64>,
    /// The socket was full when there may have been more to send.
    pub(super) waits_for_socket: bool,
}

/// A connection that is to become a session.
struct Accepting {
    registry: Registry,
    incoming: Option<Incoming>,
}

#[derive(Debug)]
enum App {
    Writer(Writer),
    Reader(Reader),
}

#[derive(Debug)]
struct Writer {
    bulk: StreamId,
    urgent: StreamId,
    block: Bytes,
    /// Urgent messages that the machine has not taken yet.
    pending: usize,
    /// The machine took no more of the bulk, and of urgent messages, and will say when it does.
    refused: [bool; 2],
}

#[derive(Debug)]
struct Reader {
    bulk: Option<StreamId>,
    urgent: Option<StreamId>,
    /// Bytes that it may read now; `None`: all.
    allowance: Option<i64>,
}

fn secret() -> SharedSecret {
    SharedSecret::from_key(b"lines", [7; 32]).expect("because the hint is short")
}

impl Host {
    fn new(session: Option<(Session, Epoch)>, accepting: Option<Accepting>, app: App) -> Host {
        Host {
            session,
            accepting,
            app,
            budget: None,
            read: 0,
            outbox: 0,
            unread: 0,
            due: None,
            waits_for_socket: false,
        }
    }

    /// The end that dials, has a connection now, and sends.
    pub(super) fn client(now: u64, seed: u8, session: SessionConfig) -> Host {
        let now = Instant::from_nanos(now);
        let mut config = ClientConfig::new(Auth::secret(secret()));
        config.session = session;
        config.suites = vec![Suite::Aes256GcmPsk];
        let mut session = Session::connect(config, Seed([seed; 32]), now).expect("because the limits are in range");
        let epoch = session.attach(now, Carrier::ordered()).expect("because it is wanted");
        let mut open = |options| session.open(now, options).expect("because there is room");
        let app = App::Writer(Writer {
            bulk: open(StreamOptions::default()),
            urgent: open(StreamOptions::default().with_priority(HIGHEST)),
            block: Bytes::from(vec![0x5a; BLOCK]),
            pending: 0,
            refused: [false; 2],
        });
        Host::new(Some((session, epoch)), None, app)
    }

    /// The end that accepts a connection now, and reads. `allowance`: see [`allow`](Self::allow).
    pub(super) fn server(
        now: u64,
        seed: u8,
        session: SessionConfig,
        allowance: Option<i64>,
        budget: WindowBudget,
    ) -> Host {
        let now = Instant::from_nanos(now);
        let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret()]));
        config.session = session;
        let registry = Registry::new(config, Seed([seed; 32]), now).expect("because the limits are in range");
        let app = App::Reader(Reader {
            bulk: None,
            urgent: None,
            allowance,
        });
        let accepting = Accepting {
            registry,
            incoming: None,
        };
        Host {
            budget: Some((budget, 0)),
            ..Host::new(None, Some(accepting), app)
        }
    }

    /// A packet arrived.
    pub(super) fn input(&mut self, now: u64, packet: BytesMut) {
        let now = Instant::from_nanos(now);
        if let Some((session, epoch)) = &mut self.session {
            let taken = session.handle_input(now, *epoch, packet);
            taken.expect("because both ends are honest");
        } else if let Some(accepting) = &mut self.accepting {
            self.session = accepting.input(now, packet);
        }
    }

    /// Its time has come.
    pub(super) fn timeout(&mut self, now: u64) {
        if let Some((session, _)) = &mut self.session {
            session.handle_timeout(Instant::from_nanos(now));
        }
    }

    /// When it is to be woken.
    pub(super) fn deadline(&self) -> Option<u64> {
        let (session, _) = self.session.as_ref()?;
        session.poll_timeout().map(Instant::as_nanos)
    }

    /// Appends a packet, if there is one.
    pub(super) fn packet(&mut self, now: u64, buf: &mut Vec<u8>) -> bool {
        if let Some((session, epoch)) = &mut self.session {
            return session.poll_transmit(Instant::from_nanos(now), *epoch, buf);
        }
        let incoming = self
            .accepting
            .as_mut()
            .and_then(|accepting| accepting.incoming.as_mut());
        incoming.is_some_and(|incoming| incoming.poll_transmit(buf))
    }

    /// Packets that it packed so far.
    pub(super) fn packets(&self) -> u64 {
        self.session
            .as_ref()
            .map_or(0, |(session, _)| session.stats().packets_sent)
    }

    /// What its windows had grown by, at most.
    pub(super) fn granted(&self) -> Option<usize> {
        self.budget.as_ref().map(|(_, most)| *most)
    }

    /// An urgent message is to be sent.
    pub(super) fn say(&mut self) {
        if let App::Writer(writer) = &mut self.app {
            writer.pending += 1;
        }
    }

    /// The application may read so many bytes of the bulk more.
    pub(super) fn allow(&mut self, bytes: i64) {
        if let App::Reader(reader) = &mut self.app {
            // What it did not use it does not save.
            reader.allowance = reader.allowance.map(|left| left.min(0) + bytes);
        }
    }

    /// The application's turn. Returns how many urgent messages it read.
    pub(super) fn work(&mut self, now: u64) -> usize {
        let Some((session, _)) = &mut self.session else {
            return 0;
        };
        let now = Instant::from_nanos(now);
        let mut writable = false;
        while let Some(event) = session.poll_event() {
            assert!(!matches!(event, Event::Ended(_) | Event::Detached { .. }), "{event:?}");
            writable |= event == Event::Writable;
        }
        let held = session.stats();
        self.unread = self.unread.max(held.unread_bytes + held.inbox_bytes);
        if let Some((budget, most)) = &mut self.budget {
            *most = budget.granted().max(*most);
        }
        let mut heard = 0;
        match &mut self.app {
            App::Writer(writer) => {
                writer.refused = writer.refused.map(|refused| refused && !writable);
                writer.write(session, now);
            }
            App::Reader(reader) => {
                heard = reader.read_urgent(session, now);
                self.read += (heard * URGENT) as u64 + reader.read_bulk(session, now);
            }
        }
        self.outbox = self.outbox.max(session.stats().outbox_bytes);
        heard
    }
}

impl Accepting {
    fn input(&mut self, now: Instant, packet: BytesMut) -> Option<(Session, Epoch)> {
        let Some(mut incoming) = self.incoming.take() else {
            let connection = self.registry.connection_accepted(now, Carrier::ordered());
            let Route::Handshake(incoming) = self.registry.first_packet(now, connection, packet) else {
                panic!("because a stranger begins with a handshake")
            };
            self.incoming = Some(incoming);
            return None;
        };
        incoming
            .handle_input(now, packet)
            .expect("because both ends are honest");
        let Admission::New { session, epoch } = self.registry.admit(now, incoming) else {
            panic!("because there is room")
        };
        Some((session, epoch))
    }
}

impl Writer {
    fn write(&mut self, session: &mut Session, now: Instant) {
        while self.pending > 0 && !self.refused[1] {
            let message = self.block.slice(..URGENT);
            let sent = session.stream(self.urgent).send(now, message);
            self.pending -= usize::from(sent.is_ok());
            self.refused[1] = is_refused(sent.map_err(|error| error.reason));
        }
        while !self.refused[0] {
            let mut block = self.block.clone();
            self.refused[0] = is_refused(session.stream(self.bulk).write(now, &mut block));
        }
    }
}

fn is_refused<T>(taken: Result<T, SendRefusal>) -> bool {
    let refusal = taken.err();
    assert!(refusal.is_none_or(SendRefusal::is_temporary), "{refusal:?}");
    refusal.is_some()
}

impl Reader {
    fn read_urgent(&mut self, session: &mut Session, now: Instant) -> usize {
        while let Some(accepted) = session.accept(now) {
            let slot = if accepted.priority == HIGHEST {
                &mut self.urgent
            } else {
                &mut self.bulk
            };
            *slot = Some(accepted.id);
        }
        let Some(urgent) = self.urgent else { return 0 };
        let mut heard = 0;
        while let Some(chunk) = session.stream(urgent).recv(now).expect("because nobody resets it") {
            heard += usize::from(matches!(chunk, Chunk::Data { message_end: true, .. }));
        }
        heard
    }

    fn read_bulk(&mut self, session: &mut Session, now: Instant) -> u64 {
        let Some(bulk) = self.bulk else { return 0 };
        let mut read = 0;
        while self.allowance.is_none_or(|left| left > 0) {
            let chunk = session.stream(bulk).recv(now).expect("because nobody resets it");
            let Some(Chunk::Data { payload, .. }) = chunk else {
                break;
            };
            read += payload.len() as u64;
            let bytes = i64::try_from(payload.len()).unwrap_or(i64::MAX);
            self.allowance = self.allowance.map(|left| left - bytes);
        }
        read
    }
}
