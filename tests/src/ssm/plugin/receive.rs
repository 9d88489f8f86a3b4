//! What the plugin makes of what it receives.

use bytes::Bytes;
use unbroken_proto::ssm::body::{
    Acknowledge, ActionStatus, ActionType, ChannelClosed, HandshakeRequest, HandshakeResponse, ProcessedClientAction,
    RequestedClientAction, SessionType,
};
use unbroken_proto::ssm::frame::Frame;
use unbroken_proto::ssm::{MessageType, PayloadType};
use unbroken_proto::{Duration, Instant};

use super::{Kind, Plugin, Stage};
use crate::ssm::frames;
use crate::ssm::timing::newer_than;

impl Plugin {
    /// One message, TEXT or binary: both are taken for frames.
    pub(super) fn receive(&mut self, now: Instant, message: Bytes) {
        let Some(received) = frames::read(message, &mut self.deaf) else {
            return;
        };
        // With a PayloadLength of 0 nobody asks for the digest.
        if received.payload_length != 0 && !received.digest_matches() {
            return;
        }
        let frame = received.frame;
        match frame.header.message_type {
            MessageType::OutputStreamData => self.output(now, frame),
            MessageType::Acknowledge => {
                if let Ok(body) = Acknowledge::decode(&frame.payload) {
                    self.outgoing.acknowledged(now, body.sequence_number);
                }
            }
            MessageType::ChannelClosed => {
                let output = ChannelClosed::decode(&frame.payload).unwrap_or_default().output;
                let why = match output.as_str() {
                    "" => "Exiting session".into(),
                    output => format!("Session: {output}"),
                };
                self.end(why);
            }
            _ => {}
        }
    }

    fn output(&mut self, now: Instant, frame: Frame) {
        // Until somebody is there to take it, a port session takes nothing at all.
        if self.kind == Kind::Basic && self.has_begun() && !self.user_connected {
            self.counts.not_ready += 1;
            return;
        }
        let number = frame.header.sequence_number;
        if number < self.expected {
            self.counts.silent_duplicates += 1;
        } else if number > self.expected {
            if self.incoming.len() < self.options.incoming {
                self.acknowledge(now, &frame);
                self.incoming.insert(number, (frame.header.payload_type, frame.payload));
            }
        } else if self.expected_came(now, &frame) {
            self.expected += 1;
            self.drain();
        }
    }

    /// The frame at the expected number; whether it is done with.
    fn expected_came(&mut self, now: Instant, frame: &Frame) -> bool {
        match frame.header.payload_type {
            PayloadType::HandshakeRequest => {
                self.acknowledge(now, frame);
                self.handshake_request(now, &frame.payload);
                true
            }
            PayloadType::HandshakeComplete => {
                self.acknowledge(now, frame);
                if self.stage == Stage::Handshaking {
                    let (with_handshake, _) = self.options.ready_gap;
                    self.begin(now, with_handshake);
                }
                true
            }
            PayloadType::EncChallengeRequest => {
                self.acknowledge(now, frame);
                true
            }
            payload_type if self.handle(payload_type, &frame.payload) => {
                self.acknowledge(now, frame);
                if self.stage == Stage::Waiting {
                    self.first(now, payload_type);
                }
                true
            }
            _ => {
                self.counts.not_ready += 1;
                false
            }
        }
    }

    /// Gives data to the handler; whether there is one. Everything that is not the handshake's is data.
    fn handle(&mut self, payload_type: PayloadType, payload: &Bytes) -> bool {
        let shown = match self.stage {
            Stage::Waiting => payload_type == PayloadType::Output,
            Stage::Begun if self.begins.is_none() => true,
            Stage::Handshaking | Stage::Stuck | Stage::Begun => return false,
        };
        if shown {
            self.delivered.extend_from_slice(payload);
        }
        true
    }

    /// The first frame of a session without a handshake: it starts a shell, or nothing.
    fn first(&mut self, now: Instant, payload_type: PayloadType) {
        if payload_type == PayloadType::Output {
            let (_, without_handshake) = self.options.ready_gap;
            self.begin(now, without_handshake);
        } else {
            self.stage = Stage::Stuck;
        }
    }

    /// The session begins, and its handler is there at once or a little later.
    fn begin(&mut self, now: Instant, gap: u64) {
        self.stage = Stage::Begun;
        let late = self.rng.chance(gap);
        self.begins = Some(now + if late { self.options.gap } else { Duration::ZERO });
    }

    /// What came out of order, as far as its turn has come. It was acknowledged long ago, so whether somebody takes it makes no
    /// difference; and all of it goes to the handler for data, what belongs to the handshake too.
    fn drain(&mut self) {
        while let Some((payload_type, payload)) = self.incoming.remove(&self.expected) {
            self.handle(payload_type, &payload);
            self.expected += 1;
        }
    }

    fn acknowledge(&mut self, now: Instant, frame: &Frame) {
        let acknowledge = self.framer.acknowledge(now, &frame.header);
        self.transmits.push_back(acknowledge);
    }

    fn handshake_request(&mut self, now: Instant, payload: &Bytes) {
        let Ok(request) = HandshakeRequest::decode(payload) else {
            return;
        };
        let version = &request.agent_version;
        let actions = request.requested_client_actions.iter();
        let processed = actions.map(|action| {
            let (kind, processed) = process(action, version);
            self.kind = kind.unwrap_or(self.kind);
            processed
        });
        let response = HandshakeResponse {
            processed_client_actions: processed.collect(),
            client_version: self.options.version.clone(),
            errors: Vec::new(),
        };
        self.stage = Stage::Handshaking;
        let mut body = Vec::new();
        response.encode(&mut body);
        self.send_data(now, PayloadType::HandshakeResponse, &body);
    }
}

/// Does one thing that the agent asks for: what kind of session it makes, and the answer.
fn process(action: &RequestedClientAction, agent_version: &str) -> (Option<Kind>, ProcessedClientAction) {
    let kind = match action.action_type {
        ActionType::SessionType => session_kind(action, agent_version),
        _ => None,
    };
    let action_status = match (&action.action_type, kind) {
        (_, Some(_)) => ActionStatus::Success,
        (ActionType::SessionType | ActionType::KmsEncryption, None) => ActionStatus::Failed,
        // Meant to be Unsupported, and written into another field.
        (_, None) => ActionStatus::Unknown(0),
    };
    let processed = ProcessedClientAction {
        action_type: action.action_type.clone(),
        action_status,
        ..ProcessedClientAction::default()
    };
    (kind, processed)
}

fn session_kind(action: &RequestedClientAction, agent_version: &str) -> Option<Kind> {
    let parameters = action.session_type().ok()?;
    match parameters.session_type {
        SessionType::StandardStream | SessionType::InteractiveCommands | SessionType::NonInteractiveCommands => {
            Some(Kind::Shell)
        }
        SessionType::Port => {
            let port = parameters.port().ok()?;
            let smux = newer_than(agent_version, [3, 0, 196, 0]);
            match (port.is_local_port_forwarding(), smux) {
                (false, _) => Some(Kind::SshStdio),
                (true, false) => Some(Kind::Basic),
                (true, true) => Some(Kind::Smux),
            }
        }
        _ => None,
    }
}
