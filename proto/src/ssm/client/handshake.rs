//! The handshake, as far as a client answers it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::id::Side;
use crate::ssm::PayloadType;
use crate::ssm::body::{
    ActionStatus, ActionType, Base64, EncryptionChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    KmsParameters, KmsResult, ProcessedClientAction, RequestedClientAction, SessionType,
};
use crate::ssm::channel::{Channel, Sealing};
use crate::ssm::event::{DataKeyRequest, Established, Event};
use crate::ssm::kms::{Challenge, DataKey};
use crate::ssm::version::Version;

/// How far it is.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nothing came yet: either a handshake begins, or data flows without one.
    #[default]
    Begin,
    /// A data key is waited for, to answer with.
    Key(Box<Asked>),
    /// The answer is on its way.
    Answered,
    /// Data flows.
    Done,
}

/// What the agent asked for, as long as it is not answered.
#[derive(Debug)]
pub(super) struct Asked {
    actions: Vec<RequestedClientAction>,
    challenge: Option<String>,
}

/// What is known of the session, bit by bit.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    pub(super) stage: Stage,
    established: Established,
    key: Option<DataKey>,
}

impl Handshake {
    /// What kind of session it is, as far as is known.
    pub(super) fn session_type(&self) -> &SessionType {
        &self.established.session_type
    }

    /// Whether the client listens for TCP connections of others.
    pub(super) fn is_listening(&self) -> bool {
        let port = self.established.port.as_ref();
        port.is_some_and(|port| port.is_local_port_forwarding())
    }

    /// What of the handshake came. An error: it comes to nothing.
    pub(super) fn on_payload(
        &mut self,
        channel: &mut Channel,
        version: &str,
        payload_type: PayloadType,
        payload: &[u8],
    ) -> Result<(), String> {
        match (payload_type, &self.stage) {
            (PayloadType::HandshakeRequest, Stage::Begin) => self.on_request(channel, version, payload),
            (PayloadType::EncChallengeRequest, Stage::Answered) => self.on_challenge(channel, payload),
            (PayloadType::HandshakeComplete, Stage::Answered) => {
                let complete = HandshakeComplete::decode(payload).map_err(|error| error.to_string())?;
                self.established.customer_message = complete.customer_message;
                self.complete(channel);
                Ok(())
            }
            _ => Err(format!("the agent's {payload_type:?} came out of turn")),
        }
    }

    /// Data came first: there is no handshake, and so it is a shell.
    pub(super) fn skip(&mut self, channel: &mut Channel) {
        self.established.session_type = SessionType::StandardStream;
        self.complete(channel);
    }

    fn complete(&mut self, channel: &mut Channel) {
        self.stage = Stage::Done;
        if let Some(key) = self.key.take() {
            channel.seal_with(Sealing::new(Side::Client, &key));
        }
        channel.is_open = true;
        channel.push_event(Event::Established(Box::new(self.established.clone())));
    }

    fn on_request(&mut self, channel: &mut Channel, version: &str, payload: &[u8]) -> Result<(), String> {
        let request = HandshakeRequest::decode(payload).map_err(|error| error.to_string())?;
        let versions = (Version::parse(version), Version::parse(&request.agent_version));
        let mut key = None;
        for action in &request.requested_client_actions {
            match action.action_type {
                ActionType::SessionType => self.on_session_type(action, versions)?,
                ActionType::KmsEncryption => key = Some(action.kms().map_err(|error| error.to_string())?),
                // It is answered for what it is.
                ActionType::Unknown(_) => {}
            }
        }
        self.established.peer_version = Some(request.agent_version);
        let actions = request.requested_client_actions;
        match key {
            None => self.answer(channel, version, &actions, None),
            Some(KmsParameters { kms_key_id, challenge }) => {
                let request = DataKeyRequest {
                    kms_key_id,
                    cipher_text_key: None,
                    challenge: challenge.clone().filter(|challenge| !challenge.is_empty()),
                };
                self.stage = Stage::Key(Box::new(Asked { actions, challenge }));
                channel.push_event(Event::DataKeyNeeded(Box::new(request)));
            }
        }
        Ok(())
    }

    fn on_session_type(
        &mut self,
        action: &RequestedClientAction,
        (client, agent): (Version, Version),
    ) -> Result<(), String> {
        let parameters = action.session_type().map_err(|error| error.to_string())?;
        if let SessionType::Unknown(name) = &parameters.session_type {
            return Err(format!("there is no session type {name:?}"));
        }
        if parameters.session_type == SessionType::Port {
            let port = parameters.port().map_err(|error| error.to_string())?;
            self.established.is_multiplexed = port.is_local_port_forwarding() && Version::speak_smux(client, agent);
            self.established.expects_keepalive = Version::expect_keepalive(client, agent);
            self.established.port = Some(port);
        }
        self.established.session_type = parameters.session_type;
        Ok(())
    }

    /// The data key that was asked for, and its ciphertext; an error: there is none. Whether it was asked for.
    pub(super) fn on_data_key(
        &mut self,
        channel: &mut Channel,
        version: &str,
        key: Result<(DataKey, Vec<u8>), String>,
    ) -> bool {
        let asked = match core::mem::take(&mut self.stage) {
            Stage::Key(asked) => asked,
            other => {
                self.stage = other;
                return false;
            }
        };
        let result = match key {
            Ok((key, cipher_text)) => {
                self.key = Some(key);
                Ok(KmsResult {
                    cipher_text_key: Base64(cipher_text),
                    challenge_acknowledgement: asked.challenge.map(|_| true),
                    ..KmsResult::default()
                })
            }
            Err(why) => Err(why),
        };
        self.answer(channel, version, &asked.actions, Some(&result));
        true
    }

    fn answer(
        &mut self,
        channel: &mut Channel,
        version: &str,
        actions: &[RequestedClientAction],
        kms: Option<&Result<KmsResult, String>>,
    ) {
        let mut errors = Vec::new();
        let processed = actions.iter().map(|action| {
            let mut processed = ProcessedClientAction {
                action_type: action.action_type.clone(),
                action_status: ActionStatus::Success,
                ..ProcessedClientAction::default()
            };
            match (&action.action_type, kms) {
                (ActionType::KmsEncryption, Some(Ok(result))) => processed.action_result = result.to_raw(),
                (ActionType::KmsEncryption, Some(Err(why))) => {
                    processed.action_status = ActionStatus::Failed;
                    processed.error.clone_from(why);
                    errors.push(why.clone());
                }
                (ActionType::Unknown(name), _) => {
                    processed.action_status = ActionStatus::Unsupported;
                    processed.error = format!("there is no action {name:?}");
                    errors.push(processed.error.clone());
                }
                _ => {}
            }
            processed
        });
        let response = HandshakeResponse {
            client_version: version.into(),
            processed_client_actions: processed.collect(),
            errors,
        };
        channel.say_first(PayloadType::HandshakeResponse, |out| response.encode(out));
        self.stage = Stage::Answered;
    }

    fn on_challenge(&mut self, channel: &mut Channel, payload: &[u8]) -> Result<(), String> {
        let Some(key) = &self.key else {
            return Err("the agent asks for a proof of a key that it did not ask for".into());
        };
        let challenge = EncryptionChallenge::decode(payload).map_err(|error| error.to_string())?;
        let sealing = Sealing::new(Side::Client, key);
        let nonce = channel.nonce();
        let opened = Challenge::open(&sealing.theirs, &challenge).map_err(|error| error.to_string())?;
        let answer = opened.seal(&sealing.ours, nonce).map_err(|error| error.to_string())?;
        channel.say_first(PayloadType::EncChallengeResponse, |out| answer.encode(out));
        Ok(())
    }
}
