//! One end of a session with what a host gives it: a socket with a buffer, an application, and time.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::{Epoch, Instant, Session, StreamId};

/// What a carrier puts before each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    ByteStream,
    /// RFC 6455, section 5.2; what clients send is masked.
    WebSocket,
}

impl Framing {
    fn overhead(self, packet: usize) -> u64 {
        match (self, packet) {
            (Framing::ByteStream, _) => 2,
            (Framing::WebSocket, ..126) => 6,
            (Framing::WebSocket, ..65_536) => 8,
            (Framing::WebSocket, _) => 14,
        }
    }
}

/// Bulk goes in messages of so much.
const BULK: usize = 64 << 10;
const KEY: usize = 64;

pub struct Host {
    pub session: Session,
    pub epoch: Epoch,
    framing: Framing,
    /// Packets in the socket or on the line, and behind which byte of the flow each ends.
    pub sent: VecDeque<(u64, Vec<u8>)>,
    written: u64,
    bulk: Option<StreamId>,
    urgent: Option<StreamId>,
    filler: Bytes,
    /// Streams that are read, and what is to be read of them a second; `None`: all.
    pub reading: Vec<StreamId>,
    pub pace: Option<u64>,
    /// Bytes that were read, and when each keystroke that arrived was made.
    pub read: u64,
    pub keys: Vec<(u64, u64)>,
    pub most_outbox: usize,
    pub most_unread: usize,
}

impl Host {
    pub fn new(session: Session, epoch: Epoch, framing: Framing) -> Host {
        Host {
            session,
            epoch,
            framing,
            sent: VecDeque::new(),
            written: 0,
            bulk: None,
            urgent: None,
            filler: Bytes::from(vec![7; BULK]),
            reading: Vec::new(),
            pace: None,
            read: 0,
            keys: Vec::new(),
            most_outbox: 0,
            most_unread: 0,
        }
    }

    /// Opens a stream for bulk, and one of the highest priority.
    pub fn open(&mut self, now: u64) {
        let now = Instant::from_nanos(now);
        let urgent = StreamOptions::default().with_priority(0);
        self.bulk = self.session.open(now, StreamOptions::default()).ok();
        self.urgent = self.session.open(now, urgent).ok();
    }

    /// Queues as much bulk as the session takes.
    pub fn fill(&mut self, now: u64) {
        let Some(bulk) = self.bulk else { return };
        let now = Instant::from_nanos(now);
        while self.session.stream(bulk).send(now, self.filler.clone()).is_ok() {}
        self.most_outbox = self.most_outbox.max(self.session.stats().outbox_bytes);
    }

    /// A key was pressed.
    pub fn press(&mut self, now: u64) {
        let Some(urgent) = self.urgent else { return };
        let mut key = now.to_be_bytes().to_vec();
        key.resize(KEY, 0);
        let sent = self
            .session
            .stream(urgent)
            .send(Instant::from_nanos(now), Bytes::from(key));
        assert!(sent.is_ok(), "a keystroke has room: {sent:?}");
    }

    /// The next packet for the socket; how many bytes of the flow it is.
    pub fn pack(&mut self, now: u64) -> Option<u64> {
        let mut packet = Vec::new();
        if !self
            .session
            .poll_transmit(Instant::from_nanos(now), self.epoch, &mut packet)
        {
            return None;
        }
        let bytes = packet.len() as u64 + self.framing.overhead(packet.len());
        self.written += bytes;
        self.sent.push_back((self.written, packet));
        Some(bytes)
    }

    /// A packet of the peer's arrived.
    pub fn hear(&mut self, now: u64, packet: &[u8]) {
        let now = Instant::from_nanos(now);
        let heard = self.session.handle_input(now, self.epoch, BytesMut::from(packet));
        assert!(heard.is_ok(), "both ends are honest: {heard:?}");
        while self.session.poll_event().is_some() {}
        while let Some(stream) = self.session.accept(now) {
            self.reading.push(stream.id);
        }
        self.most_unread = self.most_unread.max(self.session.stats().unread_bytes);
    }

    /// Reads what is there, up to `most` bytes. Returns how many were read.
    pub fn read(&mut self, now: u64, most: u64) -> u64 {
        let mut read = 0;
        for (nth, stream) in self.reading.clone().into_iter().enumerate() {
            while read < most
                && let Ok(Some(Chunk::Data { payload, .. })) =
                    self.session.stream(stream).recv(Instant::from_nanos(now))
            {
                read += payload.len() as u64;
                // The second stream is that of keys.
                let made = payload.get(..8).filter(|_| nth == 1);
                if let Some(made) = made.and_then(|made| made.try_into().ok()) {
                    self.keys.push((now, u64::from_be_bytes(made)));
                }
            }
        }
        self.read += read;
        read
    }
}
