//! Makes the messages that an end sends.

use bytes::Bytes;
use unbroken_proto::Instant;
use unbroken_proto::ssm::body::{Acknowledge, OpenDataChannel};
use unbroken_proto::ssm::frame::{Frame, FrameError, HEADER_LENGTH, Header, Received};
use unbroken_proto::ssm::{FLAG_FIN, FLAG_SYN, MessageType, PayloadType, Uuid};

use crate::rng::Rng;
use crate::ssm::peer::Message;
use crate::ssm::timing::MILLISECOND;

/// Most bytes of data in a frame of a real program.
pub const MAX_DATA: usize = 1024;

/// What the clock said at the origin of virtual time, in milliseconds since 1970.
const ORIGIN: u64 = 1_795_000_000_000;

/// Reads a message as both real programs do, TEXT or binary. What is no frame is passed over, but for a header of another length: either
/// program reads nothing any more after one.
pub(crate) fn read(message: Bytes, is_deaf: &mut bool) -> Option<Received> {
    match Frame::decode(message) {
        Ok(received) if received.header_length == HEADER_LENGTH => return Some(received),
        Ok(_) => *is_deaf = true,
        Err(FrameError::HeaderLength { header_length, .. }) => *is_deaf |= header_length != 0,
        Err(_) => {}
    }
    None
}

/// Makes messages, with ids of its own.
#[derive(Clone, Debug)]
pub struct Framer {
    rng: Rng,
    client_id: String,
}

impl Framer {
    /// Ids follow from `rng`.
    #[must_use]
    pub fn new(mut rng: Rng) -> Framer {
        let client_id = uuid(&mut rng).to_string();
        Framer { rng, client_id }
    }

    /// A frame with a number.
    pub fn data(
        &mut self,
        now: Instant,
        kind: MessageType,
        number: i64,
        payload_type: PayloadType,
        payload: &[u8],
    ) -> Bytes {
        let first_output = kind == MessageType::OutputStreamData && number == 0;
        let header = Header {
            sequence_number: number,
            flags: if first_output { FLAG_SYN } else { 0 },
            payload_type,
            ..self.header(now, kind)
        };
        let mut out = Vec::new();
        header.encode(payload, &mut out);
        out.into()
    }

    /// A frame without a number, with the body that `write` appends.
    pub fn control(&mut self, now: Instant, kind: MessageType, write: impl FnOnce(&mut Vec<u8>)) -> Message {
        let header = Header {
            flags: FLAG_SYN | FLAG_FIN,
            ..self.header(now, kind)
        };
        let mut out = Vec::new();
        header.encode_with(&mut out, write);
        Message::Binary(out.into())
    }

    /// The acknowledgement of a frame.
    pub fn acknowledge(&mut self, now: Instant, of: &Header) -> Message {
        let body = Acknowledge::new(of.message_type, of.message_id, of.sequence_number);
        self.control(now, MessageType::Acknowledge, |out| body.encode(out))
    }

    /// The first message of a client's connection.
    pub fn open_client(&mut self, version: &str) -> Message {
        let request = uuid(&mut self.rng).to_string();
        let open = OpenDataChannel::client(request, "token".into(), self.client_id.clone(), version.into());
        text(&open)
    }

    /// The first message of an agent's connection.
    pub fn open_agent(&mut self, instance: &str) -> Message {
        let request = uuid(&mut self.rng).to_string();
        let open = OpenDataChannel::agent(request, "token".into(), self.client_id.clone(), instance.into());
        text(&open)
    }

    fn header(&mut self, now: Instant, kind: MessageType) -> Header {
        Header::new(kind, uuid(&mut self.rng), ORIGIN + now.as_nanos() / MILLISECOND)
    }
}

fn text(open: &OpenDataChannel) -> Message {
    let mut out = Vec::new();
    open.encode(&mut out);
    Message::Text(String::from_utf8_lossy(&out).into_owned())
}

fn uuid(rng: &mut Rng) -> Uuid {
    let (high, low) = (u128::from(rng.number()), u128::from(rng.number()));
    Uuid::v4((high << 64 | low).to_be_bytes())
}
