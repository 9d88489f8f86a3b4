//! A client and an agent, and the service between them, for tests: what is on its way is lost with the connection that it came by or was
//! to go by.

use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::Seed;
use crate::id::Epoch;
use crate::reconnect::Cause;
use crate::ssm::body::{OpenDataChannel, Token};
use crate::ssm::event::{Chunk, Defect, Event};
use crate::ssm::frame::Header;
use crate::ssm::{
    Agent, AgentConfig, Client, ClientConfig, DataChannel, Message, MessageType, PayloadType, Role, Uuid,
};
use crate::time::{Duration, Instant, earliest};

/// When tests begin, in milliseconds since 1970.
pub(crate) const UNIX_MILLIS: u64 = 1_795_000_000_000;

/// One end with its connection.
pub(crate) struct Side<R> {
    pub(crate) end: DataChannel<R>,
    pub(crate) epoch: Option<Epoch>,
    /// Dials succeed.
    pub(crate) reachable: bool,
    pub(crate) opened: Vec<OpenDataChannel>,
    /// From the service, with the time at which it arrives.
    towards: VecDeque<(Instant, Message)>,
    pub(crate) events: Vec<Event>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) reads: bool,
}

impl<R: Role> Side<R> {
    fn new(end: DataChannel<R>) -> Side<R> {
        Side {
            end,
            epoch: None,
            reachable: true,
            opened: Vec::new(),
            towards: VecDeque::new(),
            events: Vec::new(),
            chunks: Vec::new(),
            reads: true,
        }
    }

    /// Something that the peer never sent, or that it did not mean to.
    pub(crate) fn hear(&mut self, now: Instant, message: Vec<u8>) {
        self.towards.push_back((now, Message::Binary(Bytes::from(message))));
    }

    /// What it saw its peer do.
    pub(crate) fn defects(&self) -> Vec<Defect> {
        let defect = |event: &Event| match event {
            Event::Defect(defect) => Some(*defect),
            _ => None,
        };
        self.events.iter().filter_map(defect).collect()
    }

    /// All bytes of the stream that were read.
    pub(crate) fn output(&self) -> Vec<u8> {
        let output = |chunk: &Chunk| match chunk {
            Chunk::Output(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        };
        self.chunks.iter().flat_map(output).collect()
    }

    /// Does what the end wants done; what it sent.
    fn step(&mut self, now: Instant, token: &str) -> Vec<Message> {
        if let Some(intent) = self.end.wanted_connection().filter(|intent| intent.not_before <= now) {
            match (self.reachable, intent.refresh_credential) {
                (false, _) => {
                    let failed = crate::reconnect::Answer::Failed(Cause::Refused);
                    self.end.handle_answer(now, intent.attempt, failed);
                }
                (true, true) => self.end.handle_token(now, intent.attempt, Token::from(token), None),
                (true, false) => self.epoch = self.end.attach(now),
            }
        }
        if self.end.poll_timeout().is_some_and(|due| due <= now) {
            self.end.handle_timeout(now);
            let next = self.end.poll_timeout();
            assert!(
                next.is_none_or(|next| next > now),
                "{next:?} at {now:?}: {:?}",
                self.end
            );
        }
        while self.towards.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, message)) = self.towards.pop_front()
        {
            if let Some(epoch) = self.epoch {
                self.end.handle_input(now, epoch, message);
            }
        }
        if self.reads {
            while let Some(chunk) = self.end.read(now) {
                self.chunks.push(chunk);
            }
        }
        while let Some(event) = self.end.poll_event() {
            self.events.push(event);
        }
        if let Some(epoch) = self.epoch.filter(|epoch| !self.end.is_wanted(*epoch)) {
            self.end.detach(now, epoch, Cause::Local);
            self.epoch = None;
        }
        let mut sent = Vec::new();
        while let Some(message) = self.epoch.and_then(|epoch| self.end.poll_transmit(now, epoch)) {
            match message {
                Message::Text(text) => self.opened.extend(OpenDataChannel::decode(text.as_bytes()).ok()),
                // The service answers for itself.
                Message::Ping(bytes) => self.towards.push_back((now, Message::Pong(bytes))),
                other => sent.push(other),
            }
        }
        sent
    }

    pub(crate) fn cut(&mut self, now: Instant, cause: Cause) {
        if let Some(epoch) = self.epoch.take() {
            self.end.detach(now, epoch, cause);
        }
        self.towards.clear();
    }

    fn next(&self) -> Option<Instant> {
        let dial = self.end.wanted_connection().map(|intent| intent.not_before);
        let arrival = self.towards.front().map(|(at, _)| *at);
        earliest(earliest(dial, arrival), self.end.poll_timeout())
    }
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) client: Side<crate::ssm::ClientRole>,
    pub(crate) agent: Side<crate::ssm::AgentRole>,
    /// From one end to the other.
    pub(crate) delay: Duration,
    /// What the service does with a frame: whether it goes on.
    pub(crate) filter: fn(&Message) -> bool,
    pub(crate) forwarded: u64,
}

impl World {
    pub(crate) fn new(client: ClientConfig, agent: AgentConfig, delay: Duration) -> World {
        let now = Instant::from_millis(1_000);
        let client = Client::new(client, Seed([1; 32]), now, UNIX_MILLIS);
        let agent = Agent::new(agent, Seed([2; 32]), now, UNIX_MILLIS);
        World {
            now,
            client: Side::new(client.unwrap_or_else(|error| panic!("{}", error.to_string()))),
            agent: Side::new(agent.unwrap_or_else(|error| panic!("{}", error.to_string()))),
            delay,
            filter: |_| true,
            forwarded: 0,
        }
    }

    /// A shell without a handshake.
    pub(crate) fn shell(delay: Duration) -> World {
        World::new(client(), AgentConfig::new("s-1", "i-1"), delay)
    }

    /// Runs until `limit`, or until nothing is left to do.
    pub(crate) fn run_until(&mut self, limit: Instant) {
        loop {
            loop {
                let up = self.client.step(self.now, "token");
                let down = self.agent.step(self.now, "token");
                if up.is_empty() && down.is_empty() {
                    break;
                }
                let at = self.now + self.delay;
                let filter = self.filter;
                let mut carry = |messages: Vec<Message>, is_there: bool, to: &mut VecDeque<(Instant, Message)>| {
                    for message in messages.into_iter().filter(filter) {
                        self.forwarded += 1;
                        if is_there {
                            to.push_back((at, message));
                        }
                    }
                };
                carry(up, self.agent.epoch.is_some(), &mut self.agent.towards);
                carry(down, self.client.epoch.is_some(), &mut self.client.towards);
            }
            let next = earliest(self.client.next(), self.agent.next());
            match next.filter(|next| *next <= limit) {
                Some(next) => self.now = next.max(self.now),
                None => {
                    self.now = limit;
                    return;
                }
            }
        }
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Types it all, as there is room.
    pub(crate) fn type_all(&mut self, bytes: &[u8]) {
        let mut rest = Bytes::copy_from_slice(bytes);
        for _ in 0..100_000 {
            let taken = self.client.end.write(self.now, &rest);
            bytes::Buf::advance(&mut rest, taken);
            if rest.is_empty() {
                return;
            }
            self.run(Duration::from_millis(10));
        }
        panic!("{} bytes are left", rest.len());
    }

    /// Prints it all, as there is room.
    pub(crate) fn print_all(&mut self, bytes: &[u8]) {
        let mut rest = Bytes::copy_from_slice(bytes);
        for _ in 0..100_000 {
            let taken = self.agent.end.write(self.now, &rest);
            bytes::Buf::advance(&mut rest, taken);
            if rest.is_empty() {
                return;
            }
            self.run(Duration::from_millis(10));
        }
        panic!("{} bytes are left", rest.len());
    }

    pub(crate) fn cut_both(&mut self) {
        self.client.cut(self.now, Cause::Network);
        self.agent.cut(self.now, Cause::Network);
    }
}

/// A sequenced frame as `of` sends it, with an id of its own for each number and `id`.
pub(crate) fn frame(of: MessageType, number: i64, id: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        sequence_number: number,
        payload_type: PayloadType::Output,
        ..Header::new(of, Uuid::v4([id; 16]), UNIX_MILLIS)
    };
    let mut message = Vec::new();
    header.encode(payload, &mut message);
    message
}

pub(crate) fn client() -> ClientConfig {
    ClientConfig::new("s-1", Token::from("first"))
}

/// Bytes that tell where they belong.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}
