//! This project's own ends, in the place of a model.

use bytes::Bytes;
use unbroken_proto::config::Seed;
use unbroken_proto::reconnect::Answer;
use unbroken_proto::ssm::body::Token;
use unbroken_proto::ssm::event::{Chunk, Defect, EndReason, Event};
use unbroken_proto::ssm::{self, AgentConfig, AgentRole, ClientConfig, ClientRole, DataChannel, Role};
use unbroken_proto::{Cause, Epoch, Instant};

use crate::rng::Rng;
use crate::ssm::peer::{DialError, Message, Peer};

/// When a run begins, in milliseconds since 1970.
const UNIX_MILLIS: u64 = 1_795_000_000_000;

/// One end, with what its host holds of it.
#[derive(Debug)]
pub struct Ours<R> {
    /// The machine.
    pub end: DataChannel<R>,
    epoch: Option<Epoch>,
    /// Why it ended.
    pub reason: Option<EndReason>,
    /// What it saw its peer do.
    pub defects: Vec<Defect>,
}

/// Our client.
#[must_use]
pub fn client(config: ClientConfig, rng: &mut Rng) -> Ours<ClientRole> {
    Ours::new(ssm::Client::new(config, seed(rng), Instant::ZERO, UNIX_MILLIS).expect("a configuration that works"))
}

/// Our agent.
#[must_use]
pub fn agent(config: AgentConfig, rng: &mut Rng) -> Ours<AgentRole> {
    Ours::new(ssm::Agent::new(config, seed(rng), Instant::ZERO, UNIX_MILLIS).expect("a configuration that works"))
}

fn seed(rng: &mut Rng) -> Seed {
    let mut seed = [0; 32];
    for eight in seed.chunks_mut(8) {
        eight.copy_from_slice(&rng.number().to_le_bytes());
    }
    Seed(seed)
}

impl<R: Role> Ours<R> {
    fn new(end: DataChannel<R>) -> Ours<R> {
        Ours {
            end,
            epoch: None,
            reason: None,
            defects: Vec::new(),
        }
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.end.poll_event() {
            match event {
                Event::Ended(ended) => self.reason = Some(ended.reason),
                Event::Defect(defect) => self.defects.push(defect),
                _ => {}
            }
        }
        if let Some(epoch) = self.epoch.filter(|epoch| !self.end.is_wanted(*epoch)) {
            self.end.detach(now, epoch, Cause::Local);
            self.epoch = None;
        }
    }
}

impl<R: Role> Peer for Ours<R> {
    fn wants_connection(&self) -> Option<Instant> {
        self.end.wanted_connection().map(|intent| intent.not_before)
    }

    fn connected(&mut self, now: Instant) {
        if let Some(intent) = self.end.wanted_connection().filter(|intent| intent.refresh_credential) {
            self.end.handle_token(now, intent.attempt, Token::from("token"), None);
        }
        self.epoch = self.end.attach(now);
        self.settle(now);
    }

    fn dial_failed(&mut self, now: Instant, error: DialError) {
        let answer = match error {
            DialError::Refused | DialError::ServerError => Answer::Failed(Cause::Refused),
            DialError::NoCredentials => Answer::Failed(Cause::Denied),
            DialError::NoSession => Answer::NoCredential,
        };
        if let Some(intent) = self.end.wanted_connection() {
            self.end.handle_answer(now, intent.attempt, answer);
        }
        self.settle(now);
    }

    fn disconnected(&mut self, now: Instant) {
        if let Some(epoch) = self.epoch.take() {
            self.end.detach(now, epoch, Cause::Network);
        }
        self.settle(now);
    }

    fn handle_input(&mut self, now: Instant, message: Message) {
        let message = match message {
            Message::Text(text) => ssm::Message::Text(text),
            Message::Binary(bytes) => ssm::Message::Binary(bytes),
        };
        if let Some(epoch) = self.epoch {
            self.end.handle_input(now, epoch, message);
        }
        self.settle(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Message> {
        loop {
            let epoch = self.epoch?;
            match self.end.poll_transmit(now, epoch)? {
                ssm::Message::Text(text) => return Some(Message::Text(text)),
                ssm::Message::Binary(bytes) => return Some(Message::Binary(bytes)),
                // The service's WebSocket library answers it.
                ssm::Message::Ping(bytes) => self.end.handle_input(now, epoch, ssm::Message::Pong(bytes)),
                ssm::Message::Pong(_) => {}
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.end.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.end.handle_timeout(now);
        let next = self.end.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "it is due again at {next:?}");
        self.settle(now);
    }

    fn write(&mut self, now: Instant, bytes: &[u8]) -> usize {
        // No more is copied than one write may take.
        let offered = &bytes[..bytes.len().min(64 << 10)];
        self.end.write(now, &Bytes::copy_from_slice(offered))
    }

    fn close(&mut self, now: Instant) {
        self.end.finish(now);
        self.settle(now);
    }

    fn read(&mut self, now: Instant) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(chunk) = self.end.read(now) {
            if let Chunk::Output(bytes) = chunk {
                read.extend_from_slice(&bytes);
            }
        }
        self.settle(now);
        read
    }

    fn ended(&self) -> Option<String> {
        self.reason.as_ref().map(|reason| format!("{reason:?}"))
    }
}
