//! A client: a real machine, a host that dials when it wants a connection, and a reader.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use unbroken_proto::config::ClientConfig;
use unbroken_proto::event::Ended;
use unbroken_proto::session::SessionState;
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::{Carrier, Cause, Epoch, Event, Session, StreamId};

use super::queue::{ConnId, Scheduled};
use super::{End, Population, SECOND};

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Whatever comes, when it comes.
    Eager,
    /// One chunk now and then.
    Slow,
    /// Nothing.
    Never,
}

/// See the module.
#[derive(Debug)]
pub struct Client {
    /// Its machine.
    pub session: Session,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Whole messages, by stream.
    pub received: BTreeMap<StreamId, Vec<Vec<u8>>>,
    /// Dials so far.
    pub dials: u64,
    /// It opens a new session when one ends without anybody's wish.
    pub restarts: bool,
    /// Sessions begun.
    pub lives: u64,
    /// How often it was asked to leave.
    pub asked: u64,
    /// It closes its session when asked to leave.
    pub leaves: bool,
    config: ClientConfig,
    reader: Reader,
    conns: BTreeMap<ConnId, Epoch>,
    dial: Option<u64>,
    planned: Option<u64>,
    partial: BTreeMap<StreamId, Vec<u8>>,
    speaks: Option<StreamId>,
    reading: bool,
}

impl Client {
    /// Whether a connection carries its session.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.session.state() == SessionState::Attached
    }
}

impl Population {
    /// One client more; it dials at once.
    ///
    /// # Panics
    /// The configuration is invalid.
    pub fn add(&mut self, config: ClientConfig, reader: Reader) -> usize {
        let number = self.clients.len();
        let seed = self.rng.seed();
        let session = Session::connect(config.clone(), seed, self.instant()).expect("because it is valid");
        self.clients.push(Client {
            session,
            ended: None,
            received: BTreeMap::new(),
            dials: 0,
            restarts: false,
            lives: 1,
            asked: 0,
            leaves: false,
            config,
            reader,
            conns: BTreeMap::new(),
            dial: None,
            planned: None,
            partial: BTreeMap::new(),
            speaks: None,
            reading: false,
        });
        self.serve_client(number);
        number
    }

    /// The client's application does something with its machine.
    pub fn with<T>(&mut self, client: usize, act: impl FnOnce(&mut Session, unbroken_proto::Instant) -> T) -> T {
        let now = self.instant();
        let result = act(&mut self.clients[client].session, now);
        self.serve_client(client);
        result
    }

    /// The client says something to the server; `false`: it may not now.
    pub fn say(&mut self, client: usize, message: Bytes) -> bool {
        let now = self.instant();
        let known = &mut self.clients[client];
        if known.speaks.is_none() {
            known.speaks = known.session.open(now, StreamOptions::default()).ok();
        }
        let said = known
            .speaks
            .is_some_and(|stream| known.session.stream(stream).send(now, message).is_ok());
        self.serve_client(client);
        said
    }

    pub(super) fn dialled(&mut self, client: usize, attempt: u64) {
        let now = self.instant();
        let wanted = self.clients[client].session.wanted_connection();
        if wanted.is_none_or(|intent| intent.attempt != attempt) {
            return;
        }
        self.clients[client].dials += 1;
        if self.now < self.down_until || self.rng.chance(self.conditions.refused) {
            self.clients[client].session.handle_answer(
                now,
                attempt,
                unbroken_proto::reconnect::Answer::Failed(Cause::Refused),
            );
        } else if let Ok(epoch) = self.clients[client].session.attach(now, Carrier::ordered()) {
            let conn = self.connect(client);
            self.clients[client].conns.insert(conn, epoch);
        }
        self.serve_client(client);
    }

    pub(super) fn client_packet(&mut self, client: usize, conn: ConnId, packet: &[u8]) {
        let now = self.instant();
        let known = &mut self.clients[client];
        let Some(epoch) = known.conns.get(&conn).copied() else {
            return;
        };
        if known.session.handle_input(now, epoch, BytesMut::from(packet)).is_err() {
            known.conns.remove(&conn);
            self.close(conn, End::Client);
        }
        self.serve_client(client);
    }

    pub(super) fn client_lost(&mut self, client: usize, conn: ConnId) {
        let now = self.instant();
        let known = &mut self.clients[client];
        if let Some(epoch) = known.conns.remove(&conn) {
            known.session.detach(now, epoch, Cause::Network);
        }
        self.serve_client(client);
    }

    /// Fires what is due and carries out what the machine wants.
    pub(super) fn serve_client(&mut self, client: usize) {
        let now = self.instant();
        let known = &mut self.clients[client];
        if known.planned.is_some_and(|at| at <= self.now) {
            known.planned = None;
        }
        if known.session.poll_timeout().is_some_and(|at| at <= now) {
            known.session.handle_timeout(now);
        }
        while let Some(event) = self.clients[client].session.poll_event() {
            self.client_event(client, event);
        }
        self.client_transmit(client);
        self.client_wish(client);
        let known = &mut self.clients[client];
        let due = known.session.poll_timeout().map(|at| at.as_nanos().max(self.now));
        if let Some(at) = due.filter(|at| known.planned.is_none_or(|planned| *at < planned)) {
            known.planned = Some(at);
            self.queue.push(at, Scheduled::ClientDue(client));
        }
        if known.ended.is_some() && known.restarts {
            self.begin_again(client);
        }
    }

    fn begin_again(&mut self, client: usize) {
        let seed = self.rng.seed();
        let now = self.instant();
        let conns = std::mem::take(&mut self.clients[client].conns);
        conns.into_keys().for_each(|conn| self.close(conn, End::Client));
        let known = &mut self.clients[client];
        known.session = Session::connect(known.config.clone(), seed, now).expect("because it was valid before");
        (known.ended, known.dial, known.speaks) = (None, None, None);
        known.lives += 1;
        self.serve_client(client);
    }

    fn client_event(&mut self, client: usize, event: Event) {
        let now = self.instant();
        let known = &mut self.clients[client];
        match event {
            Event::Incoming => {
                while let Some(stream) = known.session.accept(now) {
                    known.received.entry(stream.id).or_default();
                }
                let streams: Vec<StreamId> = known.received.keys().copied().collect();
                streams.into_iter().for_each(|stream| self.client_read(client, stream));
            }
            Event::Readable(stream) => self.client_read(client, stream),
            Event::GoAway { .. } => {
                known.asked += 1;
                if known.leaves {
                    known
                        .session
                        .close(now, 0, Bytes::new())
                        .expect("because the code fits");
                }
            }
            Event::Ended(ended) => known.ended = Some(ended),
            _ => {}
        }
    }

    fn client_read(&mut self, client: usize, stream: StreamId) {
        match self.clients[client].reader {
            Reader::Eager => while self.read_one(client, stream) {},
            Reader::Slow if !self.clients[client].reading => {
                self.clients[client].reading = true;
                self.queue.push(self.now + SECOND, Scheduled::Read(client));
            }
            Reader::Slow | Reader::Never => {}
        }
    }

    /// A slow reader's turn.
    pub(super) fn read_slowly(&mut self, client: usize) {
        self.clients[client].reading = false;
        let streams: Vec<StreamId> = self.clients[client].received.keys().copied().collect();
        for stream in streams {
            if self.read_one(client, stream) {
                self.client_read(client, stream);
            }
        }
        self.serve_client(client);
    }

    fn read_one(&mut self, client: usize, stream: StreamId) -> bool {
        let now = self.instant();
        let known = &mut self.clients[client];
        let Ok(Some(Chunk::Data { payload, message_end })) = known.session.stream(stream).recv(now) else {
            return false;
        };
        let partial = known.partial.entry(stream).or_default();
        partial.extend_from_slice(&payload);
        if message_end {
            let message = std::mem::take(partial);
            known.received.entry(stream).or_default().push(message);
        }
        true
    }

    fn client_transmit(&mut self, client: usize) {
        let now = self.instant();
        let conns: Vec<(ConnId, Epoch)> = self.clients[client].conns.iter().map(|(c, e)| (*c, *e)).collect();
        for (conn, epoch) in conns {
            let mut packet = Vec::new();
            while self.clients[client].session.poll_transmit(now, epoch, &mut packet) {
                self.send(conn, End::Client, std::mem::take(&mut packet));
            }
            if !self.clients[client].session.is_wanted(epoch) {
                self.clients[client].conns.remove(&conn);
                self.close(conn, End::Client);
            }
        }
    }

    fn client_wish(&mut self, client: usize) {
        let Some(intent) = self.clients[client].session.wanted_connection() else {
            return;
        };
        if self.clients[client].dial != Some(intent.attempt) && intent.is_dial() {
            self.clients[client].dial = Some(intent.attempt);
            let at = intent.not_before.as_nanos().max(self.now) + self.latency();
            self.queue.push(at, Scheduled::Dialled(client, intent.attempt));
        }
    }
}
