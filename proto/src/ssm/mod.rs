//! The messages of AWS Session Manager: what its client (the Session Manager plugin), its agent and the service between them send
//! over WebSocket. Bytes to values and back; no policy, and no session of ours.
//!
//! - [`frame`]: the binary message, a header of 120 bytes and a payload.
//! - [`body`]: what stands in payloads, and in the first message of a connection.
//! - [`text`]: control words that come without a frame.
//! - [`smux`]: the frames with which a port session carries many TCP streams.
//! - [`kms`]: what is sealed, and how.
//!
//! ```
//! use bytes::Bytes;
//! use unbroken_proto::ssm::body::Acknowledge;
//! use unbroken_proto::ssm::frame::{Frame, Header};
//! use unbroken_proto::ssm::{FLAG_FIN, FLAG_SYN, MessageType, Uuid};
//!
//! /// Acknowledges what came in; `now` in milliseconds since 1970.
//! fn acknowledge(message: Bytes, random: [u8; 16], now: u64) -> Option<Vec<u8>> {
//!     let received = Frame::decode(message).ok()?;
//!     let of = received.frame.header;
//!     if !of.message_type.is_sequenced() || !received.digest_matches() {
//!         return None;
//!     }
//!     let header = Header {
//!         flags: FLAG_SYN | FLAG_FIN,
//!         ..Header::new(MessageType::Acknowledge, Uuid::v4(random), now)
//!     };
//!     let body = Acknowledge::new(of.message_type, of.message_id, of.sequence_number);
//!     let mut message = Vec::new();
//!     header.encode_with(&mut message, |out| body.encode(out));
//!     Some(message)
//! }
//! # let mut message = Vec::new();
//! # Header::new(MessageType::InputStreamData, Uuid::v4([1; 16]), 1).encode(b"ls", &mut message);
//! # assert_eq!(acknowledge(message.into(), [2; 16], 1).map(|ack| ack.len()), Some(295));
//! ```

mod agent;
pub mod body;
mod channel;
mod client;
mod config;
mod data_channel;
mod dialing;
pub mod event;
pub mod frame;
mod json;
mod kind;
pub mod kms;
mod message;
mod role;
pub mod smux;
#[cfg(test)]
mod testing;
pub mod text;
mod uuid;
mod version;

pub use self::agent::{Agent, AgentConfig, AgentRole};
pub use self::channel::Stats;
pub use self::client::{Client, ClientConfig, ClientRole};
pub use self::config::ChannelConfig;
pub use self::data_channel::DataChannel;
pub use self::event::Event;
pub use self::kind::{FLAG_FIN, FLAG_SYN, MAX_NAME, MessageType, PayloadType, UnknownName};
pub use self::message::Message;
pub use self::role::Role;
pub use self::uuid::Uuid;

#[cfg(test)]
mod tests;
