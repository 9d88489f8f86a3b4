//! The agent itself.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};

use bytes::Bytes;

use super::config::AgentConfig;
use super::handshake::{Handshake, Stage};
use crate::config::Seed;
use crate::error::ConfigError;
use crate::id::Side;
use crate::reconnect::Strategy;
use crate::ssm::body::{AgentSessionState, ExitCode, Flag, OpenDataChannel, SessionState, Token};
use crate::ssm::channel::Channel;
use crate::ssm::data_channel::DataChannel;
use crate::ssm::event::{Defect, EndReason};
use crate::ssm::kms::DataKey;
use crate::ssm::message::Message;
use crate::ssm::role::{self, CLOSING, Role, sealed};
use crate::ssm::{MessageType, PayloadType};
use crate::time::{Duration, Instant};

/// The agent's end of a session: what amazon-ssm-agent is. See [`DataChannel`] for all that the two ends have in common.
///
/// It goes on with real clients, which are silent about what comes to them twice: what was transmitted again and again while later frames
/// were acknowledged counts as delivered.
pub type Agent = DataChannel<AgentRole>;

/// The agent's part of a [`DataChannel`].
#[derive(Debug)]
pub struct AgentRole {
    handshake: Handshake,
    handshake_timeout: Duration,
    client_id: String,
    instance_id: String,
    session_id: String,
    /// The service was told that the session has begun.
    said_connected: bool,
    /// It is told that it ends, on each connection again.
    says_terminating: bool,
    /// It was told so on the connection that there is, then.
    said_terminating: Option<Instant>,
    /// The client asked for the end.
    is_terminated: bool,
}

impl Agent {
    /// A session that somebody has started. `seed`: 32 fresh random bytes. `unix_millis`: milliseconds since 1970, `now`, for the dates in
    /// frames; nothing is decided by them. Its first connection takes a token, as all others do.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(config: AgentConfig, seed: Seed, now: Instant, unix_millis: u64) -> Result<Agent, ConfigError> {
        config.validate()?;
        let mut channel = Channel::new(Side::Server, config.channel.clone(), (seed, None), now, unix_millis);
        let role = AgentRole {
            handshake: Handshake::begin(&mut channel, &config),
            handshake_timeout: config.handshake_timeout,
            client_id: channel.uuid().to_string(),
            instance_id: config.instance_id,
            session_id: config.session_id.clone(),
            said_connected: false,
            says_terminating: false,
            said_terminating: None,
            is_terminated: false,
        };
        Ok(DataChannel::begin(channel, role, config.session_id))
    }

    /// As [`write`](Self::write), of what a command wrote to its standard error.
    pub fn write_stderr(&mut self, now: Instant, bytes: &Bytes) -> usize {
        self.channel.latest.advance(now);
        match self.is_finishing {
            true => 0,
            false => self.channel.write(PayloadType::StdErr, bytes),
        }
    }

    /// Says how a command ended, behind all that was written.
    pub fn exit_code(&mut self, now: Instant, code: i64) {
        self.channel.latest.advance(now);
        self.channel
            .say(PayloadType::ExitCode, |out| ExitCode(code).encode(out));
    }

    /// The answer to [`Event::DataKeyNeeded`](crate::ssm::Event::DataKeyNeeded): the key as KMS decrypted it, or why there is none, with
    /// which the session ends. One that was not asked for changes nothing.
    pub fn data_key(&mut self, now: Instant, key: Result<DataKey, String>) {
        let now = self.channel.latest.advance(now);
        if !matches!(self.role.handshake.stage, Stage::Key) {
            return;
        }
        let done = key.and_then(|key| self.role.handshake.on_data_key(now, &mut self.channel, &key));
        if let Err(why) = done {
            self.end(now, EndReason::Handshake { why });
        }
        self.settle(now);
    }
}

impl AgentRole {
    /// Tells the service that the session ends.
    fn say_terminating(&mut self, now: Instant, channel: &mut Channel) {
        if !core::mem::replace(&mut self.says_terminating, true) && channel.is_attached() {
            self.said_terminating = Some(now);
            let message = self.state(now, channel, SessionState::Terminating);
            channel.say_before(message);
        }
    }

    /// How the session ends of which the service was told so.
    fn end_reason(&self) -> Option<EndReason> {
        self.says_terminating.then_some(match self.is_terminated {
            true => EndReason::Terminated,
            false => EndReason::Finished,
        })
    }

    fn state(&self, now: Instant, channel: &mut Channel, session_state: SessionState) -> Message {
        let body = AgentSessionState {
            schema_version: 1,
            session_state,
            session_id: self.session_id.clone(),
        };
        channel.unsequenced(now, MessageType::AgentSessionState, |out| body.encode(out))
    }
}

impl sealed::Sealed for AgentRole {}

#[expect(private_interfaces, reason = "nobody else implements it")]
impl Role for AgentRole {
    fn first(&mut self, now: Instant, channel: &mut Channel, token: Token) -> VecDeque<Message> {
        let request_id = channel.uuid().to_string();
        let (client_id, instance_id) = (self.client_id.clone(), self.instance_id.clone());
        let open = OpenDataChannel::agent(request_id, token, client_id, instance_id);
        let mut first = VecDeque::from([role::opening(&open)]);
        if !core::mem::replace(&mut self.said_connected, true) {
            first.push_back(self.state(now, channel, SessionState::Connected));
        }
        if self.says_terminating {
            self.said_terminating = Some(now);
            first.push_back(self.state(now, channel, SessionState::Terminating));
        }
        first
    }

    fn on_attached(&mut self, now: Instant, _: &mut Channel) {
        self.handshake.on_attached(now);
    }

    /// The next connection tells the service again.
    fn on_detached(&mut self) {
        self.said_terminating = None;
    }

    fn take(
        &mut self,
        now: Instant,
        channel: &mut Channel,
        payload_type: PayloadType,
        payload: &Bytes,
    ) -> Result<bool, EndReason> {
        if matches!(
            payload_type,
            PayloadType::HandshakeResponse | PayloadType::EncChallengeResponse
        ) {
            let done = self.handshake.on_payload(now, channel, payload_type, payload);
            return done.map(|()| true).map_err(|why| EndReason::Handshake { why });
        }
        if !matches!(self.handshake.stage, Stage::Done) {
            // The real agent acknowledges it and throws it away.
            channel.tell(Defect::Early);
        }
        if payload_type == PayloadType::Flag && Flag::decode(payload) == Ok(Flag::TerminateSession) {
            // The service hears of it, and closes both channels; the real agent just ends, and its client waits for an acknowledgement.
            self.is_terminated = true;
            self.say_terminating(now, channel);
            return Ok(true);
        }
        Ok(role::deliver(channel, payload_type, payload))
    }

    fn on_drained(&mut self, now: Instant, channel: &mut Channel) -> Option<EndReason> {
        self.say_terminating(now, channel);
        None
    }

    fn on_closed(&self, output: String) -> EndReason {
        self.end_reason().unwrap_or(EndReason::Closed { output })
    }

    fn on_gone(&self) -> EndReason {
        self.end_reason().unwrap_or(EndReason::Gone)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.says_terminating {
            true => self.said_terminating.map(|said| said + CLOSING),
            false => self.handshake.since.map(|since| since + self.handshake_timeout),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Option<EndReason> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        Some(self.end_reason().unwrap_or_else(|| EndReason::Handshake {
            why: "the client does not answer".into(),
        }))
    }

    fn advice(&self, _: &EndReason) -> Option<Strategy> {
        None
    }
}
