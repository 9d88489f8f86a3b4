//! The client itself.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::config::ClientConfig;
use super::handshake::{Handshake, Stage};
use crate::config::Seed;
use crate::error::ConfigError;
use crate::id::Side;
use crate::reconnect::Strategy;
use crate::ssm::PayloadType;
use crate::ssm::body::{Flag, OpenDataChannel, SessionType, Size, Token};
use crate::ssm::channel::Channel;
use crate::ssm::data_channel::DataChannel;
use crate::ssm::event::{Defect, EndReason};
use crate::ssm::kms::DataKey;
use crate::ssm::message::Message;
use crate::ssm::role::{self, CLOSING, Role, sealed};
use crate::time::Instant;

/// The client's end of a session: what the Session Manager plugin is. See [`DataChannel`] for all that the two ends have in common.
///
/// Unlike the plugin it acknowledges again what comes twice, so that an acknowledgement that was lost holds nobody up, and changes no byte.
pub type Client = DataChannel<ClientRole>;

/// The client's part of a [`DataChannel`].
#[derive(Debug)]
pub struct ClientRole {
    handshake: Handshake,
    client_id: String,
    version: String,
    size: Option<Size>,
    /// The agent is told that the session is over, since then.
    said_terminate: Option<Instant>,
}

impl Client {
    /// A session that StartSession has begun. `seed`: 32 fresh random bytes. `unix_millis`: milliseconds since 1970, `now`, for the dates in
    /// frames; nothing is decided by them.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(config: ClientConfig, seed: Seed, now: Instant, unix_millis: u64) -> Result<Client, ConfigError> {
        config.validate()?;
        let token = Some(config.token).filter(|token| !token.is_empty());
        let mut channel = Channel::new(Side::Client, config.channel, (seed, token), now, unix_millis);
        let role = ClientRole {
            handshake: Handshake::default(),
            client_id: channel.uuid().to_string(),
            version: config.client_version,
            size: None,
            said_terminate: None,
        };
        Ok(DataChannel::begin(channel, role, config.session_id))
    }

    /// The size of the person's terminal. Said whenever it changes, and again on each connection: the plugin's is lost if it was on its way.
    pub fn resize(&mut self, now: Instant, size: Size) {
        self.channel.latest.advance(now);
        if self.role.size.replace(size) != Some(size) {
            self.role.say_size(&mut self.channel);
        }
    }

    /// The answer to [`Event::DataKeyNeeded`](crate::ssm::Event::DataKeyNeeded): the key, 64 bytes, and what KMS made of it for the
    /// agent; or why there is none, which the agent is told. One that was not asked for changes nothing.
    pub fn data_key(&mut self, now: Instant, key: Result<(DataKey, Vec<u8>), String>) {
        let now = self.channel.latest.advance(now);
        let ClientRole { handshake, version, .. } = &mut self.role;
        handshake.on_data_key(&mut self.channel, version, key);
        self.settle(now);
    }
}

impl ClientRole {
    fn say_size(&self, channel: &mut Channel) {
        if let Some(size) = self.size {
            channel.say_instead(PayloadType::Size, |out| size.encode(out));
        }
    }
}

impl sealed::Sealed for ClientRole {}

#[expect(private_interfaces, reason = "nobody else implements it")]
impl Role for ClientRole {
    fn first(&mut self, _: Instant, channel: &mut Channel, token: Token) -> VecDeque<Message> {
        let request_id = channel.uuid().to_string();
        let (client_id, version) = (self.client_id.clone(), self.version.clone());
        let open = OpenDataChannel::client(request_id, token, client_id, version);
        VecDeque::from([role::opening(&open)])
    }

    fn on_attached(&mut self, _: Instant, channel: &mut Channel) {
        if matches!(self.handshake.stage, Stage::Done) {
            self.say_size(channel);
        }
    }

    fn on_detached(&mut self) {}

    fn take(
        &mut self,
        _: Instant,
        channel: &mut Channel,
        payload_type: PayloadType,
        payload: &Bytes,
    ) -> Result<bool, EndReason> {
        if matches!(
            payload_type,
            PayloadType::HandshakeRequest | PayloadType::EncChallengeRequest | PayloadType::HandshakeComplete
        ) {
            let done = self.handshake.on_payload(channel, &self.version, payload_type, payload);
            return done.map(|()| true).map_err(|why| EndReason::Handshake { why });
        }
        match self.handshake.stage {
            Stage::Begin => self.handshake.skip(channel),
            Stage::Done => {}
            // It is handed over all the same; the plugin would never get beyond it.
            Stage::Key(_) | Stage::Answered => channel.tell(Defect::Early),
        }
        Ok(role::deliver(channel, payload_type, payload))
    }

    fn on_drained(&mut self, now: Instant, channel: &mut Channel) -> Option<EndReason> {
        let is_port = *self.handshake.session_type() == SessionType::Port;
        if !is_port || self.said_terminate.is_some() {
            return Some(EndReason::Finished);
        }
        self.said_terminate = Some(now);
        channel.say(PayloadType::Flag, |out| Flag::TerminateSession.encode(out));
        None
    }

    fn on_closed(&self, output: String) -> EndReason {
        match self.said_terminate {
            Some(_) => EndReason::Finished,
            None => EndReason::Closed { output },
        }
    }

    fn on_gone(&self) -> EndReason {
        match self.said_terminate {
            Some(_) => EndReason::Finished,
            None => EndReason::Gone,
        }
    }

    /// An agent that ends as soon as it is asked to may never have acknowledged that.
    fn poll_timeout(&self) -> Option<Instant> {
        self.said_terminate.map(|said| said + CLOSING)
    }

    fn handle_timeout(&mut self, now: Instant) -> Option<EndReason> {
        let due = self.poll_timeout().is_some_and(|due| due <= now);
        due.then_some(EndReason::Finished)
    }

    /// A port that is listened on can be served by another session; a shell, or the one stream of an ssh, ended with this one.
    fn advice(&self, reason: &EndReason) -> Option<Strategy> {
        let is_lost = matches!(
            reason,
            EndReason::Gone | EndReason::GaveUp { .. } | EndReason::Fresh { .. } | EndReason::NumberMissing { .. }
        );
        (is_lost && self.handshake.is_listening()).then_some(Strategy::Fresh)
    }
}
