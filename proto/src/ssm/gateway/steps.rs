//! What the calls of the host lead to.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;

use super::event::{ConnectionId, End, EndedBy, Event, Refusal};
use super::machine::{Gateway, Stage};
use super::session::{Came, Life, Session};
use crate::ssm::body::{ChannelClosed, OpenDataChannel};
use crate::ssm::frame::Header;
use crate::ssm::{FLAG_FIN, FLAG_SYN, MessageType, Uuid};
use crate::time::Instant;

/// Events that wait for the host.
const MAX_EVENTS: usize = 1_024;
/// Connections that are named to the host although they are not wanted any more: beyond so many, whoever does not ask hears of none.
const MAX_UNWANTED: usize = 1_024;

impl Gateway {
    /// The first message of a connection.
    pub(super) fn open(&mut self, id: ConnectionId, text: &str) {
        let Ok(open) = OpenDataChannel::decode(text.as_bytes()) else {
            return self.refuse(id, Refusal::NotAnOpening);
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let session = self.sessions.get_mut(&connection.session_id);
        let Some(session) = session.filter(|session| !session.is_over()) else {
            return self.refuse(id, Refusal::Ended);
        };
        let end = if open.is_agent() { End::Agent } else { End::Client };
        if !session.side_mut(end).tokens.redeem(&open.token_value) {
            return self.refuse(id, Refusal::Token);
        }
        let replaced = session.attach(end, id);
        let other = session.side(end.other()).connection;
        connection.stage = Stage::Open(end);
        self.opening = self.opening.saturating_sub(1);
        let session_id = connection.session_id.clone();
        if let Some(replaced) = replaced {
            self.connections.remove(&replaced);
        }
        self.tell(Event::Attached {
            session_id,
            end,
            connection: id,
            replaced,
        });
        // There may be something for it, and the other end may have sent more than is held by now.
        [Some(id), other, replaced]
            .into_iter()
            .flatten()
            .for_each(|id| self.wake(id));
    }

    /// The connection is not let in.
    pub(super) fn refuse(&mut self, id: ConnectionId, refusal: Refusal) {
        if let Some(connection) = self.connections.remove(&id) {
            self.opening = self.opening.saturating_sub(1);
            self.tell(Event::Refused {
                session_id: connection.session_id,
                connection: id,
                refusal,
            });
            self.wake(id);
        }
    }

    /// A binary message of the connection of `end`.
    pub(super) fn on_frame(&mut self, now: Instant, id: ConnectionId, end: End, frame: Bytes) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&connection.session_id) else {
            return;
        };
        let (max_frame, held_bytes) = (self.config.max_frame, self.config.held_bytes);
        match session.handle_frame(end, frame, max_frame, held_bytes) {
            Came::Passed => {
                if let Some(other) = session.side(end.other()).connection {
                    self.wake(other);
                }
            }
            Came::Kept => {}
            Came::Terminating => {
                let session_id = connection.session_id.clone();
                self.end(now, &session_id, EndedBy::Agent, "");
            }
        }
    }

    /// The session is over. Whether it was not before.
    pub(super) fn end(&mut self, now: Instant, session_id: &str, by: EndedBy, output: &str) -> bool {
        if !self.has_session(session_id) {
            return false;
        }
        let body = ChannelClosed {
            message_id: self.uuid().to_string(),
            created_date: self.date(now).to_string(),
            session_id: session_id.into(),
            message_type: "channel_closed".into(),
            schema_version: 1,
            output: output.into(),
            ..ChannelClosed::default()
        };
        // Either end hears of it by a frame of its own.
        let mut frame = || self.frame(now, MessageType::ChannelClosed, |out| body.encode(out));
        let mut frames = [frame(), frame()].into_iter();
        let Some(session) = self.sessions.get_mut(session_id) else {
            return false;
        };
        let stats = session.stats();
        session.end(now, || frames.next().unwrap_or_default());
        let ends = [End::Client, End::Agent].map(|end| session.side(end).connection);
        if !session.is_attached() {
            self.sessions.remove(session_id);
        }
        let session_id = session_id.into();
        self.tell(Event::Ended { session_id, by, stats });
        ends.into_iter().flatten().for_each(|id| self.wake(id));
        true
    }

    /// Gives up the connections of a session that is over, and forgets it.
    pub(super) fn let_go(&mut self, now: Instant, session_id: &str) {
        let Some(session) = self.sessions.get(session_id) else {
            return;
        };
        let ends = [End::Client, End::Agent].map(|end| session.side(end).connection);
        for id in ends.into_iter().flatten() {
            self.drop_connection(now, id);
        }
    }

    /// The connection is not wanted any more, or gone.
    pub(super) fn drop_connection(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        self.wake(id);
        let Stage::Open(end) = connection.stage else {
            self.opening = self.opening.saturating_sub(1);
            return;
        };
        let session_id = connection.session_id;
        let Some(session) = self.sessions.get_mut(&session_id) else {
            return;
        };
        let had = session.detach(now, end, id);
        let other = session.side(end.other()).connection;
        if session.is_over() && !session.is_attached() {
            self.sessions.remove(&session_id);
        }
        if had {
            self.tell(Event::Detached {
                session_id,
                end,
                connection: id,
            });
        }
        // Nothing holds it up now.
        if let Some(other) = other {
            self.wake(other);
        }
    }

    /// Says a word to the agent.
    pub(super) fn say(&mut self, session_id: &str, word: MessageType) -> bool {
        let session = self.sessions.get_mut(session_id).filter(|session| !session.is_over());
        let Some(session) = session else {
            return false;
        };
        let Some(agent) = session.side(End::Agent).connection else {
            return false;
        };
        session.word = Some(word);
        self.wake(agent);
        true
    }

    /// When something is due for a session.
    pub(super) fn deadline(&self, session: &Session) -> Option<Instant> {
        match session.life {
            Life::Connected => None,
            Life::Alone(since) => Some(since + self.config.abandoned_timeout),
            Life::Over(since) => Some(since + self.config.closing_timeout),
        }
    }

    /// A frame of the gateway's own.
    pub(super) fn frame(&mut self, now: Instant, message_type: MessageType, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let header = Header {
            flags: FLAG_SYN | FLAG_FIN,
            ..Header::new(message_type, self.uuid(), self.date(now))
        };
        let mut frame = Vec::new();
        header.encode_with(&mut frame, write);
        Bytes::from(frame)
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let mut random = [0; 16];
        self.rng.fill(&mut random);
        Uuid::v4(random)
    }

    /// Milliseconds since 1970. Never 0, which real programs take for no date.
    fn date(&self, now: Instant) -> u64 {
        let (origin, unix_millis) = self.origin;
        let since = u64::try_from(now.saturating_since(origin).as_millis()).unwrap_or(u64::MAX);
        unix_millis.saturating_add(since).max(1)
    }

    pub(super) fn wake(&mut self, id: ConnectionId) {
        self.woken.insert(id);
        if self.woken.len() > self.connections.len().saturating_add(MAX_UNWANTED) {
            let connections = &self.connections;
            self.woken.retain(|id| connections.contains_key(id));
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
