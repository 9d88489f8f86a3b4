//! What the agent sends, and when.

use unbroken_proto::ssm::body::{
    AgentSessionState, HandshakeComplete, HandshakeRequest, LOCAL_PORT_FORWARDING, PortProperties,
    RequestedClientAction, SessionState, SessionType, SessionTypeParameters,
};
use unbroken_proto::ssm::{MessageType, PayloadType};
use unbroken_proto::{Duration, Instant};

use super::{Agent, Kind, Stage};
use crate::ssm::frames::MAX_DATA;
use crate::ssm::peer::Message;
use crate::ssm::timing::micros;

/// How long the client may take for its response.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long smux bears that nothing comes from a client that is expected to keep the session alive.
const IDLE: Duration = Duration::from_secs(30);

impl Agent {
    /// The first connection is there.
    pub(super) fn start(&mut self, now: Instant) {
        self.session_state(now, SessionState::Connected);
        self.began = now;
        if self.options.kind == Kind::Shell {
            self.run(now);
            return;
        }
        self.stage = Stage::Handshaking(now + HANDSHAKE);
        let request = self.handshake_request();
        let mut body = Vec::new();
        request.encode(&mut body);
        self.send_data(now, PayloadType::HandshakeRequest, &body);
        if let Some(early) = self.options.early_data.take() {
            self.send_data(now, PayloadType::Output, &early);
        }
    }

    fn handshake_request(&self) -> HandshakeRequest {
        let port = |kind: Option<&str>| PortProperties {
            port_number: Some("22".into()),
            kind: kind.map(Into::into),
            ..PortProperties::default()
        };
        let (session_type, port) = match self.options.kind {
            Kind::Shell | Kind::ShellWithHandshake => (SessionType::StandardStream, None),
            Kind::NonInteractive => (SessionType::NonInteractiveCommands, None),
            Kind::SshStdio => (SessionType::Port, Some(port(None))),
            Kind::Forwarding => (SessionType::Port, Some(port(Some(LOCAL_PORT_FORWARDING)))),
        };
        let parameters = SessionTypeParameters {
            session_type,
            properties: port.map(|port| port.to_raw()).unwrap_or_default(),
        };
        HandshakeRequest {
            agent_version: self.options.version.clone(),
            requested_client_actions: vec![RequestedClientAction::with_session_type(&parameters)],
        }
    }

    /// The client has answered.
    pub(super) fn handshake_complete(&mut self, now: Instant) {
        let took = now.saturating_since(self.began).as_nanos();
        let complete = HandshakeComplete {
            time_to_complete_nanos: i64::try_from(took).unwrap_or(i64::MAX),
            customer_message: String::new(),
        };
        let mut body = Vec::new();
        complete.encode(&mut body);
        self.send_data(now, PayloadType::HandshakeComplete, &body);
        self.run(now);
    }

    /// The program on the instance starts.
    fn run(&mut self, now: Instant) {
        self.stage = Stage::Running;
        let terminal = self.options.kind.has_terminal();
        self.reads_from = now
            + if terminal {
                self.options.first_read
            } else {
                Duration::ZERO
            };
    }

    /// Reads what the program says, once. How much was read.
    pub(super) fn read_application(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(MAX_DATA);
        self.held.extend_from_slice(&bytes[..taken]);
        let whole = if self.options.kind.has_terminal() {
            whole_characters(&self.held)
        } else {
            self.held.len()
        };
        let data: Vec<u8> = self.held.drain(..whole).collect();
        if !data.is_empty() {
            self.send_data(now, PayloadType::Output, &data);
        }
        if self.options.paced {
            // It asks for 1 ms; with what it does in between that makes some 845 frames in a second.
            self.reads_from = now + Duration::from_millis(1) + micros(&mut self.rng, 150, 220);
        }
        taken
    }

    /// Sends what was held back.
    pub(super) fn flush(&mut self, now: Instant) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.send_data(now, PayloadType::Output, &held);
        }
    }

    /// A frame with a number: sent if it can be, and stored in any case.
    fn send_data(&mut self, now: Instant, payload_type: PayloadType, payload: &[u8]) {
        let (kind, number) = (MessageType::OutputStreamData, self.next);
        let message = self.framer.data(now, kind, number, payload_type, payload);
        self.next += 1;
        if self.has_connection && !self.paused {
            self.transmits.push_back(Message::Binary(message.clone()));
            self.outgoing.sent(now, number, message, &mut self.rng);
        } else {
            self.outgoing.stored(now, number, message);
        }
    }

    fn session_state(&mut self, now: Instant, session_state: SessionState) {
        let body = AgentSessionState {
            schema_version: 1,
            session_state,
            session_id: "session".into(),
        };
        let state = self
            .framer
            .control(now, MessageType::AgentSessionState, |out| body.encode(out));
        if self.has_connection {
            self.transmits.push_back(state);
        }
    }

    /// When an idle session of smux ends.
    pub(super) fn idle_until(&self) -> Option<Instant> {
        self.idle_since.map(|since| since + IDLE)
    }

    /// Whatever is due.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        match self.stage {
            Stage::Handshaking(until) if until <= now => self.terminate(now, "handshake timed out"),
            Stage::Draining(until) if until <= now || self.outgoing.is_empty() => {
                self.terminate(now, "session ended");
            }
            _ => {}
        }
        if self.idle_until().is_some_and(|until| until <= now) {
            self.terminate(now, "smux keep-alive timed out");
        }
        if self.ended.is_none() && self.ticker.ticked(now) && !self.paused {
            self.resend(now);
        }
        self.write_waits &= now < self.reads_from;
    }

    /// The session is over, and the service is told.
    pub(super) fn terminate(&mut self, now: Instant, why: &str) {
        self.session_state(now, SessionState::Terminating);
        self.end(why);
    }

    /// Sends the oldest frame again, and notes when; whether it could be written makes no difference.
    fn resend(&mut self, now: Instant) {
        let Some(head) = self.outgoing.overdue(now) else { return };
        head.last_sent = now;
        head.resends += 1;
        if self.has_connection {
            self.counts.resends += 1;
            self.transmits.push_back(Message::Binary(head.message.clone()));
        }
    }
}

/// How many bytes are left when up to three of an unfinished character at the end are held back.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for at in (tail..bytes.len()).rev() {
        let length = match bytes[at] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return bytes.len(),
        };
        return if bytes.len() - at < length { at } else { bytes.len() };
    }
    bytes.len()
}
