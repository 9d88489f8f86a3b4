//! The answer to a sequenced frame.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use serde::de::{Deserialize, Deserializer, Error};

use crate::ssm::json::{Object, Value, body};
use crate::ssm::kind::MessageType;
use crate::ssm::uuid::Uuid;

/// One sequenced frame has arrived, which says nothing of those before it, nor that it was processed. A number that is not outstanding is
/// ignored by both real programs, so that it does no harm to acknowledge again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Acknowledge {
    /// What kind of frame it was.
    #[serde(rename = "AcknowledgedMessageType", deserialize_with = "message_type")]
    pub message_type: MessageType,
    /// Its message id. Nobody looks at it, and what is no UUID reads as [`Uuid::NIL`].
    #[serde(rename = "AcknowledgedMessageId", default, deserialize_with = "message_id")]
    pub message_id: Uuid,
    /// Its sequence number, which is all that counts; a body without one is refused.
    #[serde(rename = "AcknowledgedMessageSequenceNumber")]
    pub sequence_number: i64,
    /// Always true.
    #[serde(rename = "IsSequentialMessage", default)]
    pub is_sequential: bool,
}

impl Acknowledge {
    /// The acknowledgement of this frame.
    #[must_use]
    pub fn new(message_type: MessageType, message_id: Uuid, sequence_number: i64) -> Acknowledge {
        Acknowledge {
            message_type,
            message_id,
            sequence_number,
            is_sequential: true,
        }
    }
}

body!(@calls Acknowledge);

impl Value for Acknowledge {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::new(out);
        object.field("AcknowledgedMessageType", &self.message_type);
        object.field("AcknowledgedMessageId", &self.message_id);
        object.field("AcknowledgedMessageSequenceNumber", &self.sequence_number);
        object.field("IsSequentialMessage", &self.is_sequential);
        object.end();
    }
}

fn message_type<'de, D: Deserializer<'de>>(from: D) -> Result<MessageType, D::Error> {
    let name: Cow<'de, str> = Deserialize::deserialize(from)?;
    MessageType::from_name(name.as_bytes()).ok_or_else(|| D::Error::custom("no message type is as long"))
}

fn message_id<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
    let text: Option<Cow<'de, str>> = Deserialize::deserialize(from)?;
    Ok(text.and_then(|text| Uuid::parse(&text)).unwrap_or(Uuid::NIL))
}

impl Value for MessageType {
    fn write(&self, out: &mut Vec<u8>) {
        // Only an unknown name out of a header may be something else than UTF-8, and it is acknowledged by nobody.
        alloc::string::String::from_utf8_lossy(self.name()).as_ref().write(out);
    }
}

impl Value for Uuid {
    fn write(&self, out: &mut Vec<u8>) {
        crate::ssm::json::put(out, format_args!("\"{self}\""));
    }
}
