//! The handshake, as an agent leads it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use bytes::Bytes;

use super::config::AgentConfig;
use crate::id::Side;
use crate::ssm::PayloadType;
use crate::ssm::body::{
    ActionStatus, ActionType, EncryptionChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    KmsParameters, RawJson, RequestedClientAction, SessionType, SessionTypeParameters,
};
use crate::ssm::channel::{Channel, Sealing};
use crate::ssm::event::{DataKeyRequest, Established, Event};
use crate::ssm::kms::{CHALLENGE_SIZE, Challenge, DataKey};
use crate::ssm::version::Version;
use crate::time::Instant;

/// Random bytes that the client's KMS binds the data key to.
const RANDOM_CHALLENGE: usize = 16;

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The client is to answer.
    Asked,
    /// The host is to get the data key out of what the client answered.
    Key,
    /// The client is to prove that it has the data key.
    Proof(Box<Proof>),
    /// Data flows.
    Done,
}

#[derive(Debug)]
pub(super) struct Proof {
    challenge: Challenge,
    sealing: Sealing,
}

#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) stage: Stage,
    /// When the client was asked, or answered last.
    pub(super) since: Option<Instant>,
    begun: Option<Instant>,
    /// What this agent says that it is.
    version: Version,
    established: Established,
    kms: Option<KmsParameters>,
    customer_message: String,
}

impl Handshake {
    /// Asks the client, if there is anything to be asked.
    pub(super) fn begin(channel: &mut Channel, config: &AgentConfig) -> Handshake {
        let is_port = config.session_type == SessionType::Port;
        let kms = config.kms_key_id.clone().filter(|_| config.is_sealed());
        let kms = kms.map(|kms_key_id| KmsParameters {
            kms_key_id,
            challenge: Some(challenge(channel)),
        });
        let mut handshake = Handshake {
            stage: Stage::Done,
            since: None,
            begun: None,
            version: Version::parse(&config.agent_version),
            established: Established {
                session_type: config.session_type.clone(),
                port: is_port.then(|| config.port.clone()),
                ..Established::default()
            },
            kms,
            customer_message: config.customer_message.clone(),
        };
        if !config.shakes_hands() {
            handshake.complete(channel);
            return handshake;
        }
        let session_type = SessionTypeParameters {
            session_type: config.session_type.clone(),
            properties: if is_port {
                config.port.to_raw()
            } else {
                RawJson::default()
            },
        };
        let mut actions = vec![RequestedClientAction::with_session_type(&session_type)];
        actions.extend(handshake.kms.as_ref().map(RequestedClientAction::with_kms));
        let request = HandshakeRequest {
            agent_version: config.agent_version.clone(),
            requested_client_actions: actions,
        };
        channel.say_first(PayloadType::HandshakeRequest, |out| request.encode(out));
        handshake.stage = Stage::Asked;
        handshake
    }

    /// A connection is there: from now on the client can answer.
    pub(super) fn on_attached(&mut self, now: Instant) {
        if !matches!(self.stage, Stage::Done) {
            self.since.get_or_insert(now);
            self.begun.get_or_insert(now);
        }
    }

    pub(super) fn on_payload(
        &mut self,
        now: Instant,
        channel: &mut Channel,
        payload_type: PayloadType,
        payload: &[u8],
    ) -> Result<(), String> {
        match (payload_type, &self.stage) {
            (PayloadType::HandshakeResponse, Stage::Asked) => self.on_response(now, channel, payload),
            (PayloadType::EncChallengeResponse, Stage::Proof(_)) => self.on_proof(now, channel, payload),
            _ => Err(format!("the client's {payload_type:?} came out of turn")),
        }
    }

    fn on_response(&mut self, now: Instant, channel: &mut Channel, payload: &[u8]) -> Result<(), String> {
        let response = HandshakeResponse::decode(payload).map_err(|error| error.to_string())?;
        let client = Version::parse(&response.client_version);
        let is_forwarding = |port: &crate::ssm::body::PortProperties| port.is_local_port_forwarding();
        let is_forwarding = self.established.port.as_ref().is_some_and(is_forwarding);
        self.established.is_multiplexed = is_forwarding && Version::speak_smux(client, self.version);
        self.established.expects_keepalive = Version::expect_keepalive(client, self.version);
        self.established.peer_version = Some(response.client_version);
        let mut cipher_text = None;
        for action in response.processed_client_actions {
            if action.action_status != ActionStatus::Success {
                return Err(format!(
                    "the client cannot do {}: {}",
                    action.action_type.as_str(),
                    action.error
                ));
            }
            if action.action_type == ActionType::KmsEncryption {
                cipher_text = Some(action.kms().map_err(|error| error.to_string())?);
            }
        }
        self.since = Some(now);
        let Some(kms) = &self.kms else {
            self.complete_at(now, channel);
            return Ok(());
        };
        let Some(result) = cipher_text else {
            return Err("the client has no data key, and does not say why".into());
        };
        let acknowledges = result.challenge_acknowledgement.unwrap_or(false);
        let request = DataKeyRequest {
            kms_key_id: kms.kms_key_id.clone(),
            cipher_text_key: Some(Bytes::from(result.cipher_text_key.0)),
            challenge: kms.challenge.clone().filter(|_| acknowledges),
        };
        self.stage = Stage::Key;
        channel.push_event(Event::DataKeyNeeded(Box::new(request)));
        Ok(())
    }

    /// The data key, which the client has to prove now.
    pub(super) fn on_data_key(&mut self, now: Instant, channel: &mut Channel, key: &DataKey) -> Result<(), String> {
        if !matches!(self.stage, Stage::Key) {
            return Ok(());
        }
        let mut random = [0; CHALLENGE_SIZE];
        channel.rng.fill(&mut random);
        let challenge = Challenge::new(random);
        let sealing = Sealing::new(Side::Server, key);
        let sealed = challenge.seal(&sealing.ours, channel.nonce());
        let sealed = sealed.map_err(|error| error.to_string())?;
        channel.say_first(PayloadType::EncChallengeRequest, |out| sealed.encode(out));
        self.since = Some(now);
        self.stage = Stage::Proof(Box::new(Proof { challenge, sealing }));
        Ok(())
    }

    fn on_proof(&mut self, now: Instant, channel: &mut Channel, payload: &[u8]) -> Result<(), String> {
        let answer = EncryptionChallenge::decode(payload).map_err(|error| error.to_string())?;
        match core::mem::replace(&mut self.stage, Stage::Key) {
            Stage::Proof(proof) => {
                let Proof { challenge, sealing } = *proof;
                match Challenge::open(&sealing.theirs, &answer) {
                    Ok(opened) if opened == challenge => {
                        channel.seal_with(sealing);
                        self.complete_at(now, channel);
                        Ok(())
                    }
                    _ => Err("the client does not have the data key".into()),
                }
            }
            other => {
                self.stage = other;
                Ok(())
            }
        }
    }

    fn complete_at(&mut self, now: Instant, channel: &mut Channel) {
        let took = self.begun.map(|begun| now.saturating_since(begun)).unwrap_or_default();
        let complete = HandshakeComplete {
            time_to_complete_nanos: i64::try_from(took.as_nanos()).unwrap_or(i64::MAX),
            customer_message: self.customer_message.clone(),
        };
        channel.say_first(PayloadType::HandshakeComplete, |out| complete.encode(out));
        self.complete(channel);
    }

    fn complete(&mut self, channel: &mut Channel) {
        self.stage = Stage::Done;
        self.since = None;
        channel.is_open = true;
        channel.push_event(Event::Established(Box::new(self.established.clone())));
    }
}

/// Base64 of random bytes, as text.
fn challenge(channel: &mut Channel) -> String {
    let mut random = [0; RANDOM_CHALLENGE];
    channel.rng.fill(&mut random);
    crate::ssm::body::Base64(random.to_vec()).to_text()
}
