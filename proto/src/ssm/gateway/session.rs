//! One session: the tokens of its ends, their connections, and what is on its way between them.

use bytes::Bytes;

use super::event::{ConnectionId, End, EndStats, SessionStats};
use super::pipe::Pipe;
use super::tokens::Tokens;
use crate::ssm::MessageType;
use crate::ssm::body::{AgentSessionState, SessionState};
use crate::ssm::frame::{Frame, HEADER_LENGTH};
use crate::time::Instant;

/// What the gateway knows of one end.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) tokens: Tokens,
    pub(super) connection: Option<ConnectionId>,
    connections: u64,
    refused_messages: u64,
    /// From this end to the other.
    pub(super) pipe: Pipe,
}

/// Where a session stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Some end has a connection.
    Connected,
    /// None has one, since then.
    Alone(Instant),
    /// It is over, since then; connections are kept for what is said last.
    Over(Instant),
}

/// What came of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It is on its way to the other end, or was dropped for want of room.
    Passed,
    /// It was for the gateway, or for nobody.
    Kept,
    /// The agent says that the session is over.
    Terminating,
}

#[derive(Debug)]
pub(super) struct Session {
    client: Side,
    agent: Side,
    pub(super) life: Life,
    /// What the agent is to be told before anything else: the latest word of pause and start.
    pub(super) word: Option<MessageType>,
}

impl Session {
    pub(super) fn new(now: Instant) -> Session {
        Session {
            client: Side::default(),
            agent: Side::default(),
            life: Life::Alone(now),
            word: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.life, Life::Over(_))
    }

    pub(super) fn side(&self, end: End) -> &Side {
        match end {
            End::Client => &self.client,
            End::Agent => &self.agent,
        }
    }

    pub(super) fn side_mut(&mut self, end: End) -> &mut Side {
        match end {
            End::Client => &mut self.client,
            End::Agent => &mut self.agent,
        }
    }

    /// What is on its way to this end.
    pub(super) fn towards(&mut self, end: End) -> &mut Pipe {
        &mut self.side_mut(end.other()).pipe
    }

    /// The end has a new connection. The one that it had.
    pub(super) fn attach(&mut self, end: End, connection: ConnectionId) -> Option<ConnectionId> {
        if !self.is_over() {
            self.life = Life::Connected;
        }
        if end == End::Agent {
            // An agent that connects again is not paused any more.
            self.word = None;
        }
        let side = self.side_mut(end);
        side.connections = side.connections.saturating_add(1);
        side.connection.replace(connection)
    }

    /// The connection is gone. Whether the end had it still.
    pub(super) fn detach(&mut self, now: Instant, end: End, connection: ConnectionId) -> bool {
        let had = self
            .side_mut(end)
            .connection
            .take_if(|own| *own == connection)
            .is_some();
        if had && !self.is_over() && !self.is_attached() {
            self.life = Life::Alone(now);
        }
        had
    }

    /// Whether any end has a connection.
    pub(super) fn is_attached(&self) -> bool {
        self.client.connection.is_some() || self.agent.connection.is_some()
    }

    /// Whether this end may send on: not while the other has a connection that does not take what it sent.
    pub(super) fn wants_input(&self, end: End, held_bytes: usize) -> bool {
        self.is_over() || self.side(end.other()).connection.is_none() || self.side(end).pipe.has_room(held_bytes)
    }

    /// This end sent a binary message.
    pub(super) fn handle_frame(&mut self, from: End, message: Bytes, max_frame: usize, held_bytes: usize) -> Came {
        if self.is_over() {
            return Came::Kept;
        }
        let Some(frame) = sound(&message, max_frame) else {
            self.refuse(from);
            return Came::Kept;
        };
        match (from, frame.header.message_type) {
            (End::Client, MessageType::InputStreamData)
            | (End::Agent, MessageType::OutputStreamData)
            | (_, MessageType::Acknowledge) => {
                self.side_mut(from).pipe.push(message, held_bytes);
                Came::Passed
            }
            (End::Agent, MessageType::AgentSessionState) => match AgentSessionState::decode(&frame.payload) {
                Ok(body) if body.session_state == SessionState::Terminating => Came::Terminating,
                Ok(_) => Came::Kept,
                Err(_) => {
                    self.refuse(from);
                    Came::Kept
                }
            },
            _ => {
                self.refuse(from);
                Came::Kept
            }
        }
    }

    /// Counts a message that this end should not have sent.
    pub(super) fn refuse(&mut self, from: End) {
        let side = self.side_mut(from);
        side.refused_messages = side.refused_messages.saturating_add(1);
    }

    /// It is over. `last` is what each end that has a connection hears behind all else; what was on its way to an end that has none is
    /// forgotten, and so are the tokens.
    pub(super) fn end(&mut self, now: Instant, mut last: impl FnMut() -> Bytes) {
        self.life = Life::Over(now);
        self.word = None;
        for end in [End::Client, End::Agent] {
            self.side_mut(end).tokens = Tokens::default();
            let is_there = self.side(end).connection.is_some();
            match is_there {
                true => self.towards(end).push_last(last()),
                false => self.towards(end).clear(),
            }
        }
    }

    pub(super) fn stats(&self) -> SessionStats {
        let of = |side: &Side| EndStats {
            is_attached: side.connection.is_some(),
            connections: side.connections,
            passed_frames: side.pipe.passed_frames,
            passed_bytes: side.pipe.passed_bytes,
            overflowed_frames: side.pipe.overflowed_frames,
            overflowed_bytes: side.pipe.overflowed_bytes,
            refused_messages: side.refused_messages,
            held_bytes: side.pipe.bytes(),
        };
        SessionStats {
            client: of(&self.client),
            agent: of(&self.agent),
        }
    }
}

/// The frame, if it is one that may be passed on. Both real programs stop reading for ever at one whose HeaderLength is not the usual, so
/// that goes no further, although it could be read.
fn sound(message: &Bytes, max_frame: usize) -> Option<Frame> {
    let received = Frame::decode(message.clone())
        .ok()
        .filter(|_| message.len() <= max_frame)?;
    (received.header_length == HEADER_LENGTH).then_some(received.frame)
}
