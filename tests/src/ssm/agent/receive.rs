//! What the agent makes of what it receives.

use bytes::Bytes;
use unbroken_proto::Instant;
use unbroken_proto::ssm::body::{Acknowledge, ActionStatus, Flag, HandshakeResponse};
use unbroken_proto::ssm::frame::Frame;
use unbroken_proto::ssm::{MessageType, PayloadType};

use super::{Agent, Kind, Stage};
use crate::ssm::frames;
use crate::ssm::timing::newer_than;

impl Agent {
    /// One message, TEXT or binary: both are taken for frames. Nobody asks for the digest.
    pub(super) fn receive(&mut self, now: Instant, message: Bytes) {
        let Some(received) = frames::read(message, &mut self.deaf) else {
            return;
        };
        let frame = received.frame;
        match frame.header.message_type {
            MessageType::InputStreamData => {
                self.paused = false;
                self.input(now, frame);
            }
            MessageType::Acknowledge => {
                self.paused = false;
                if let Ok(body) = Acknowledge::decode(&frame.payload) {
                    self.outgoing.acknowledged(now, body.sequence_number);
                }
            }
            MessageType::PausePublication => {
                self.read_under_way |= !self.paused;
                self.paused = true;
                self.counts.pauses += 1;
            }
            MessageType::StartPublication => self.paused = false,
            MessageType::ChannelClosed => self.end("channel_closed"),
            _ => {}
        }
    }

    fn input(&mut self, now: Instant, frame: Frame) {
        if let Some(since) = &mut self.idle_since {
            *since = now;
        }
        let number = frame.header.sequence_number;
        if number < self.expected {
            self.counts.duplicates += 1;
            if self.acknowledges_duplicates() {
                self.acknowledge(now, &frame);
            }
        } else if number > self.expected {
            if self.incoming.len() < self.options.incoming {
                self.acknowledge(now, &frame);
                self.incoming.insert(number, (frame.header.payload_type, frame.payload));
            }
        } else {
            self.handle(now, frame.header.payload_type, &frame.payload);
            self.acknowledge(now, &frame);
            self.expected += 1;
            while let Some((payload_type, payload)) = self.incoming.remove(&self.expected) {
                self.handle(now, payload_type, &payload);
                self.expected += 1;
            }
        }
    }

    fn handle(&mut self, now: Instant, payload_type: PayloadType, payload: &Bytes) {
        let handshaking = matches!(self.stage, Stage::Handshaking(_));
        match payload_type {
            PayloadType::HandshakeResponse => {
                if handshaking && let Ok(response) = HandshakeResponse::decode(payload) {
                    self.response(now, &response);
                }
            }
            PayloadType::EncChallengeResponse => {}
            _ if handshaking => self.counts.thrown_away += 1,
            PayloadType::Output => self.delivered.extend_from_slice(payload),
            PayloadType::Size => self.counts.sizes += 1,
            PayloadType::Flag if self.options.kind.is_port() => self.flag(payload),
            _ => {}
        }
    }

    fn flag(&mut self, payload: &Bytes) {
        if Flag::decode(payload) == Ok(Flag::TerminateSession) {
            self.end("TerminateSession");
        }
    }

    fn response(&mut self, now: Instant, response: &HandshakeResponse) {
        let mut actions = response.processed_client_actions.iter();
        if !actions.all(|action| action.action_status == ActionStatus::Success) {
            self.terminate(now, "the client could not do what was asked");
            return;
        }
        let version = &response.client_version;
        self.smux = self.options.kind == Kind::Forwarding && newer_than(version, [1, 1, 69, u32::MAX]);
        let keeps_alive = self.smux && !newer_than(version, [1, 2, 331, 0]);
        self.idle_since = keeps_alive.then_some(now);
        self.handshake_complete(now);
    }

    fn acknowledge(&mut self, now: Instant, frame: &Frame) {
        let acknowledge = self.framer.acknowledge(now, &frame.header);
        self.transmits.push_back(acknowledge);
    }
}
