//! What goes next.

use alloc::vec::Vec;

use bytes::Bytes;

use super::receiver::Ack;
use super::sealing::is_sealed;
use super::state::Channel;
use crate::id::{Epoch, Side};
use crate::ssm::body::Acknowledge;
use crate::ssm::frame::{HEADER_SIZE, Header};
use crate::ssm::kms::OVERHEAD;
use crate::ssm::message::Message;
use crate::ssm::{FLAG_FIN, FLAG_SYN, MessageType, PayloadType};
use crate::time::Instant;

impl Channel {
    /// The next message for this connection.
    pub(crate) fn poll_transmit(&mut self, now: Instant, epoch: Epoch) -> Option<Message> {
        let link = self.link.as_mut().filter(|link| link.epoch == epoch)?;
        if let Some(first) = link.first.pop_front() {
            return Some(first);
        }
        if let Some(ack) = self.receiver.poll_ack(now) {
            return Some(self.acknowledgement(now, ack));
        }
        if link.liveness.wants_ping() {
            link.liveness.on_ping_committed(now, self.sender.srtt());
            return Some(Message::Ping(Bytes::from_static(b"keepalive")));
        }
        if self.is_over || self.paused_until.is_some() {
            return None;
        }
        if !self.sender.wants_transmit() {
            self.commit(now);
        }
        let frame = self.sender.poll_transmit(now)?;
        if let Some(link) = &mut self.link {
            link.liveness.on_data_committed(now);
        }
        self.tell_writable();
        Some(Message::Binary(frame))
    }

    /// Says this before anything else, if there is a connection.
    pub(crate) fn say_before(&mut self, message: Message) {
        if let Some(link) = &mut self.link {
            link.first.push_back(message);
        }
    }

    /// A frame that is not sequenced.
    pub(crate) fn unsequenced(
        &mut self,
        now: Instant,
        message_type: MessageType,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Message {
        let header = Header {
            flags: FLAG_SYN | FLAG_FIN,
            ..Header::new(message_type, self.uuid(), self.date(now))
        };
        let mut frame = Vec::new();
        header.encode_with(&mut frame, write);
        Message::Binary(Bytes::from(frame))
    }

    fn acknowledgement(&mut self, now: Instant, ack: Ack) -> Message {
        let (_, theirs) = self.message_types();
        let body = Acknowledge::new(theirs, ack.id, ack.number);
        self.unsequenced(now, MessageType::Acknowledge, |out| body.encode(out))
    }

    /// Numbers a frame, if there is something to say and room for it on the way.
    fn commit(&mut self, now: Instant) {
        let has_data = self.is_open && (!self.queue.is_empty() || self.sender.wants_probe());
        if (self.urgent.is_empty() && !has_data) || !self.sender.takes_new(now) {
            return;
        }
        let most = self.config.frame_bytes;
        if let Some((payload_type, payload)) = self.urgent.pop_front() {
            self.number(now, payload_type, &payload, false);
        } else if let Some(payload_type) = self.queue.next_type().filter(|_| self.is_open) {
            let mut payload = Vec::with_capacity(most.min(self.queue.bytes()));
            self.queue.take(most, &mut payload);
            self.number(now, payload_type, &payload, true);
        } else {
            // A probe: nobody sees it, and its acknowledgement tells what became of those before it.
            self.number(now, PayloadType::Output, &[], true);
        }
    }

    fn number(&mut self, now: Instant, payload_type: PayloadType, payload: &[u8], is_data: bool) {
        let (ours, _) = self.message_types();
        let next = self.sender.next();
        let header = Header {
            sequence_number: i64::try_from(next).unwrap_or(i64::MAX),
            flags: if self.side == Side::Server && next == 0 {
                FLAG_SYN
            } else {
                0
            },
            payload_type,
            ..Header::new(ours, self.uuid(), self.date(now))
        };
        let sealing = self.sealing.as_ref().filter(|_| is_sealed(payload_type));
        let mut frame = Vec::with_capacity(HEADER_SIZE + payload.len() + sealing.map_or(0, |_| OVERHEAD));
        match sealing {
            // A frame is far shorter than what can be sealed at once.
            Some(sealing) => {
                let rng = &mut self.rng;
                let _sealed = header.try_encode_with(&mut frame, |out| sealing.seal(rng, payload, out));
            }
            None => header.encode(payload, &mut frame),
        }
        self.sender.commit(Bytes::from(frame), payload.len(), is_data);
    }
}
