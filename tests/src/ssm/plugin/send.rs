//! What the plugin sends, and when.

use unbroken_proto::Instant;
use unbroken_proto::ssm::body::{Flag, Size};
use unbroken_proto::ssm::{MessageType, PayloadType};

use super::{Kind, Plugin, Stage};
use crate::ssm::peer::{Call, Message};

/// Resends of one frame, after which the session is to be terminated.
const MOST_RESENDS: u32 = 3_000;
/// Resends after which the loop waits for ever: the answer that it asks for is taken once, and one more waits in a channel.
const LAST_RESEND: u32 = 3_003;

impl Plugin {
    /// The user pressed Ctrl-C in a port session: it is terminated, and the process waits for nothing.
    pub fn interrupt(&mut self, now: Instant) {
        let flag = |flag: Flag| {
            let mut payload = Vec::new();
            flag.encode(&mut payload);
            payload
        };
        self.send_data(now, PayloadType::Flag, &flag(Flag::TerminateSession));
        if self.kind == Kind::Basic {
            self.send_data(now, PayloadType::Flag, &flag(Flag::DisconnectToPort));
        }
        self.end("interrupted");
    }

    /// Whether the session's handler is installed.
    pub(super) fn has_begun(&self) -> bool {
        self.stage == Stage::Begun && self.begins.is_none()
    }

    /// Sends a frame with a number. Whether it was written; if not, it is not stored, and the number is free for the next.
    pub(super) fn send_data(&mut self, now: Instant, payload_type: PayloadType, payload: &[u8]) -> bool {
        // Meant for Enter, done to everything.
        let payload = if payload == b"\n" { b"\r" } else { payload };
        if !self.has_connection {
            return false;
        }
        let number = self.take_number();
        let (kind, framer) = (MessageType::InputStreamData, &mut self.framer);
        let message = framer.data(now, kind, number, payload_type, payload);
        self.transmits.push_back(Message::Binary(message.clone()));
        self.outgoing.sent(now, number, message, &mut self.rng);
        true
    }

    /// The counter has no lock: sometimes two threads read one number. In most of those cases both then add one, and a number is
    /// never used.
    fn take_number(&mut self) -> i64 {
        if self.next > 0 && self.rng.chance(self.options.race) {
            let shared = self.next - 1;
            self.next += i64::from(self.rng.chance(840));
            self.counts.shared_numbers += 1;
            return shared;
        }
        let number = self.next;
        self.next += 1;
        number
    }

    /// The socket did not take what the user wrote.
    pub(super) fn write_failed(&mut self) {
        if !self.options.write_errors {
            return;
        }
        match self.kind {
            Kind::Shell | Kind::SshStdio | Kind::Basic => {
                self.end("Cannot perform start session: write tcp: broken pipe");
            }
            // The process and its port stay, and nothing is read from anybody again.
            Kind::Smux => self.pump_stopped = true,
        }
    }

    /// Whatever is due.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        if self.begins.is_some_and(|begins| begins <= now) {
            self.begins = None;
            self.begun(now);
        }
        if self.user_at.is_some_and(|at| at <= now) {
            self.user_at = None;
            self.user_connected = true;
        }
        if self.size_due.is_some_and(|due| due <= now) && self.has_begun() {
            self.size_due = None;
            self.send_size(now);
        }
        if self.ticker.ticked(now) && !self.resends_blocked {
            self.resend(now);
        }
        self.write_waits &= now < self.sleeps_until;
    }

    /// The handler is installed.
    fn begun(&mut self, now: Instant) {
        match self.kind {
            Kind::Shell => self.send_size(now),
            Kind::Basic => self.user_at = self.options.user_connects.map(|after| now + after),
            Kind::SshStdio | Kind::Smux => {}
        }
    }

    /// The size counts as sent, whether or not there is a connection.
    fn send_size(&mut self, now: Instant) {
        let (cols, rows) = self.options.size;
        let mut body = Vec::new();
        Size { cols, rows }.encode(&mut body);
        self.send_data(now, PayloadType::Size, &body);
    }

    /// Sends the oldest frame again. When it was sent is noted in a copy, so that it stays overdue at each tick.
    fn resend(&mut self, now: Instant) {
        let Some(head) = self.outgoing.overdue(now) else { return };
        if head.resends == MOST_RESENDS {
            self.calls.push_back(Call::TerminateSession);
        }
        if head.resends == LAST_RESEND {
            self.resends_blocked = true;
            return;
        }
        head.resends += 1;
        if self.has_connection {
            self.counts.resends += 1;
            self.transmits.push_back(Message::Binary(head.message.clone()));
        }
    }
}
