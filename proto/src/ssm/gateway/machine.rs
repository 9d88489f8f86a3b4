//! The gateway itself: sessions, connections, and what is due.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::config::GatewayConfig;
use super::event::{AttachError, ConnectionId, End, EndedBy, Event, Refusal, SessionStats, StartError, is_session_id};
use super::session::Session;
use crate::config::Seed;
use crate::error::ConfigError;
use crate::rng::Rng;
use crate::ssm::MessageType;
use crate::ssm::body::Token;
use crate::ssm::message::Message;
use crate::time::{Instant, Latest};

/// Longest payload of a ping (RFC 6455, section 5.5).
const MAX_PING: usize = 125;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session_id: String,
    pub(super) stage: Stage,
    /// The answer to the latest ping.
    pong: Option<Bytes>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// It has not said who it is, and may take until then.
    Opening(Instant),
    /// It is the connection of this end.
    Open(End),
}

/// The service between clients and agents; see the [module](crate::ssm::gateway). It does no I/O and reads no clock: a host feeds it messages and
/// instants.
///
/// | the host calls | when |
/// |---|---|
/// | [`start`](Self::start), [`token`](Self::token), [`terminate`](Self::terminate) | somebody who may do so asks for it |
/// | [`attach`](Self::attach) | a connection was accepted, the WebSocket's upgrade included |
/// | [`handle_input`](Self::handle_input) | a message came |
/// | [`detach`](Self::detach) | a connection died, of whatever |
/// | [`handle_timeout`](Self::handle_timeout) | the instant of [`poll_timeout`](Self::poll_timeout) has come |
/// | [`poll_wake`](Self::poll_wake) | after the above: which connections are to be looked at? |
/// | [`poll_transmit`](Self::poll_transmit) | a connection that is looked at can take a message |
/// | [`wants_input`](Self::wants_input), [`is_wanted`](Self::is_wanted) | is it to be read from, and to be kept? |
/// | [`poll_event`](Self::poll_event) | at any time |
#[derive(Debug)]
pub struct Gateway {
    pub(super) config: GatewayConfig,
    pub(super) rng: Rng,
    pub(super) latest: Latest,
    /// An instant, and the milliseconds since 1970 then.
    pub(super) origin: (Instant, u64),
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    /// Those among them that have not said who they are.
    pub(super) opening: usize,
    pub(super) attached: u64,
    pub(super) events: VecDeque<Event>,
    pub(super) woken: BTreeSet<ConnectionId>,
}

impl Gateway {
    /// A gateway without sessions. `seed`: 32 fresh random bytes, of which tokens are made. `unix_millis`: milliseconds since 1970, `now`,
    /// for the dates in frames; nothing is decided by them.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(config: GatewayConfig, seed: Seed, now: Instant, unix_millis: u64) -> Result<Gateway, ConfigError> {
        config.validate()?;
        let mut latest = Latest::default();
        let now = latest.advance(now);
        Ok(Gateway {
            config,
            rng: Rng::new(&seed),
            latest,
            origin: (now, unix_millis),
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            opening: 0,
            attached: 0,
            events: VecDeque::new(),
            woken: BTreeSet::new(),
        })
    }

    /// A name for a session that nobody guesses: the text of a UUID.
    pub fn fresh_id(&mut self) -> String {
        self.uuid().to_string()
    }

    /// Begins a session.
    ///
    /// # Errors
    /// There is no room for it, or it cannot have this name.
    pub fn start(&mut self, now: Instant, session_id: &str) -> Result<(), StartError> {
        let now = self.latest.advance(now);
        if !is_session_id(session_id) {
            return Err(StartError::Name);
        }
        if self.sessions.contains_key(session_id) {
            return Err(StartError::Exists);
        }
        if self.sessions.len() >= self.config.max_sessions {
            return Err(StartError::Full);
        }
        self.sessions.insert(session_id.into(), Session::new(now));
        Ok(())
    }

    /// A token for one connection of this end: what StartSession and ResumeSession answer to a client, and CreateDataChannel to an agent.
    /// `None`: there is no such session, or it is over.
    pub fn token(&mut self, session_id: &str, end: End) -> Option<Token> {
        let session = self.sessions.get_mut(session_id).filter(|session| !session.is_over())?;
        let tokens = &mut session.side_mut(end).tokens;
        Some(tokens.issue(self.config.max_tokens, &mut self.rng))
    }

    /// Ends a session. Each end that is connected hears so, behind all that is on its way to it; `output` is what the client's person is shown,
    /// and may be empty. Whether there was such a session.
    pub fn terminate(&mut self, now: Instant, session_id: &str, output: &str) -> bool {
        let now = self.latest.advance(now);
        self.end(now, session_id, EndedBy::Host, output)
    }

    /// Asks the agent to send nothing for now. Whether there is a connection to say it on. Agents go on at the next frame that they receive,
    /// whatever it is: a bound on what they send is no use of this, but [`wants_input`](Self::wants_input) is.
    pub fn pause(&mut self, session_id: &str) -> bool {
        self.say(session_id, MessageType::PausePublication)
    }

    /// Asks the agent to go on. Whether there is a connection to say it on.
    pub fn resume(&mut self, session_id: &str) -> bool {
        self.say(session_id, MessageType::StartPublication)
    }

    /// Somebody has dialled `/v1/data-channel/<session_id>`, the WebSocket's upgrade included.
    ///
    /// # Errors
    /// The connection is to be closed, or better not upgraded.
    pub fn attach(&mut self, now: Instant, session_id: &str) -> Result<ConnectionId, AttachError> {
        let now = self.latest.advance(now);
        if !self.has_session(session_id) {
            return Err(AttachError::NoSession);
        }
        if self.opening >= self.config.max_opening {
            return Err(AttachError::Full);
        }
        self.attached += 1;
        self.opening += 1;
        let id = ConnectionId(self.attached);
        let connection = Connection {
            session_id: session_id.into(),
            stage: Stage::Opening(now + self.config.opening_timeout),
            pong: None,
        };
        self.connections.insert(id, connection);
        Ok(id)
    }

    /// A message came. To be called only while [`wants_input`](Self::wants_input) says so; frames that come all the same may be dropped.
    pub fn handle_input(&mut self, now: Instant, id: ConnectionId, message: Message) {
        let now = self.latest.advance(now);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match (connection.stage, message) {
            (_, Message::Ping(bytes)) => {
                if bytes.len() <= MAX_PING {
                    connection.pong = Some(bytes);
                    self.wake(id);
                }
            }
            (_, Message::Pong(_)) => {}
            (Stage::Opening(_), Message::Text(text)) => self.open(id, &text),
            (Stage::Opening(_), Message::Binary(_)) => self.refuse(id, Refusal::NotAnOpening),
            (Stage::Open(end), Message::Binary(frame)) => self.on_frame(now, id, end, frame),
            (Stage::Open(end), Message::Text(_)) => {
                if let Some(session) = self.sessions.get_mut(&connection.session_id) {
                    session.refuse(end);
                }
            }
        }
    }

    /// The next message for this connection. To be asked again until there is none, whenever [`poll_wake`](Self::poll_wake) names it.
    pub fn poll_transmit(&mut self, now: Instant, id: ConnectionId) -> Option<Message> {
        let now = self.latest.advance(now);
        let connection = self.connections.get_mut(&id)?;
        if let Some(pong) = connection.pong.take() {
            return Some(Message::Pong(pong));
        }
        let Stage::Open(end) = connection.stage else {
            return None;
        };
        let session = self.sessions.get_mut(&connection.session_id)?;
        if let Some(word) = session.word.take_if(|_| end == End::Agent) {
            return Some(Message::Binary(self.frame(now, word, |_| ())));
        }
        let sender = session.side(end.other()).connection;
        let was_held_up = !session.wants_input(end.other(), self.config.held_bytes);
        let frame = session.towards(end).pop()?;
        if was_held_up && session.wants_input(end.other(), self.config.held_bytes) {
            self.woken.extend(sender);
        }
        if session.is_over() && session.towards(end).is_empty() {
            // That was the last word.
            self.drop_connection(now, id);
        }
        Some(Message::Binary(frame))
    }

    /// A connection to be looked at: it may have something to transmit, be read from again, or not be wanted any more. Each is named once
    /// for all that happened since it was named last.
    pub fn poll_wake(&mut self) -> Option<ConnectionId> {
        self.woken.pop_first()
    }

    /// Whether the host should read from this connection: not while the other end takes nothing, so that whoever sends waits.
    #[must_use]
    pub fn wants_input(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(&id) else {
            return false;
        };
        match (connection.stage, self.sessions.get(&connection.session_id)) {
            (Stage::Open(end), Some(session)) => session.wants_input(end, self.config.held_bytes),
            _ => true,
        }
    }

    /// Whether this connection is to be kept. One that is not has nothing more to transmit, and needs no [`detach`](Self::detach).
    #[must_use]
    pub fn is_wanted(&self, id: ConnectionId) -> bool {
        self.connections.contains_key(&id)
    }

    /// The connection is gone.
    pub fn detach(&mut self, now: Instant, id: ConnectionId) {
        let now = self.latest.advance(now);
        self.drop_connection(now, id);
        self.woken.remove(&id);
    }

    /// Something the host may want to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called. It looks at all connections that have not said who they are, and at all
    /// sessions; only `start`, `attach`, `detach`, `terminate`, `handle_timeout` and the `Terminating` of an agent make it sooner.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let opening = self
            .connections
            .values()
            .filter_map(|connection| match connection.stage {
                Stage::Opening(until) => Some(until),
                Stage::Open(_) => None,
            });
        let sessions = self.sessions.values().filter_map(|session| self.deadline(session));
        opening.chain(sessions).min()
    }

    /// The instant of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.latest.advance(now);
        let late = |(id, connection): (&ConnectionId, &Connection)| match connection.stage {
            Stage::Opening(until) if until <= now => Some(*id),
            _ => None,
        };
        let late: Vec<ConnectionId> = self.connections.iter().filter_map(late).collect();
        for id in late {
            self.refuse(id, Refusal::Timeout);
        }
        let due = |(_, session): &(&String, &Session)| self.deadline(session).is_some_and(|at| at <= now);
        let due: Vec<String> = self.sessions.iter().filter(due).map(|(id, _)| id.clone()).collect();
        for session_id in due {
            if !self.end(now, &session_id, EndedBy::Abandoned, "") {
                self.let_go(now, &session_id);
            }
        }
    }

    /// Whether there is such a session, and it is not over.
    #[must_use]
    pub fn has_session(&self, session_id: &str) -> bool {
        self.sessions.get(session_id).is_some_and(|session| !session.is_over())
    }

    /// The connection of this end, if it has one.
    #[must_use]
    pub fn connection(&self, session_id: &str, end: End) -> Option<ConnectionId> {
        self.sessions.get(session_id)?.side(end).connection
    }

    /// The sessions that are not over, by their names, and their numbers.
    pub fn sessions(&self) -> impl Iterator<Item = (&str, SessionStats)> {
        let live = self.sessions.iter().filter(|(_, session)| !session.is_over());
        live.map(|(id, session)| (id.as_str(), session.stats()))
    }
}
