//! The dialect of AWS Session Manager: what its client (the Session Manager plugin), its agent and the service between them say over
//! WebSocket, and both ends of it as machines without I/O.
//!
//! - [`Client`] and [`Agent`]: the ends, which share [`DataChannel`]. [`ClientConfig`], [`AgentConfig`] and [`ChannelConfig`] say how.
//! - [`event`]: what they tell.
//! - [`gateway`]: the service between them.
//! - [`mux`]: many TCP streams over one of them.
//! - [`frame`]: the binary message, a header of 120 bytes and a payload.
//! - [`body`]: what stands in payloads, and in the first message of a connection.
//! - [`text`]: control words that come without a frame.
//! - [`smux`]: the frames with which a port session carries many TCP streams.
//! - [`kms`]: what is sealed, and how.
//!
//! A client and an agent in one process, with vectors for the service between them:
//!
//! ```
//! use bytes::Bytes;
//! use unbroken_proto::config::Seed;
//! use unbroken_proto::ssm::body::Token;
//! use unbroken_proto::ssm::event::Chunk;
//! use unbroken_proto::ssm::{Agent, AgentConfig, Client, ClientConfig};
//! use unbroken_proto::time::{Duration, Instant};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut now, unix_millis) = (Instant::from_millis(0), 1_795_000_000_000);
//! // Session, token and URL come from StartSession; seeds from the operating system.
//! let config = ClientConfig::new("s-1", Token::from("from StartSession"));
//! let mut client = Client::new(config, Seed([1; 32]), now, unix_millis)?;
//! let mut agent = Agent::new(AgentConfig::new("s-1", "i-1"), Seed([2; 32]), now, unix_millis)?;
//!
//! // The agent gets a token for each connection (CreateDataChannel), the client for each but its first (ResumeSession).
//! let intent = agent.wanted_connection().expect("it never had one");
//! assert!(intent.refresh_credential);
//! agent.handle_token(now, intent.attempt, Token::from("from CreateDataChannel"), None);
//! // Both have dialled.
//! let up = client.attach(now).expect("it wants one");
//! let down = agent.attach(now).expect("it wants one");
//!
//! agent.write(now, &Bytes::from_static(b"$ "));
//! client.write(now, &Bytes::from_static(b"ls\r"));
//! for _ in 0..10 {
//!     while let Some(message) = client.poll_transmit(now, up) {
//!         agent.handle_input(now, down, message);
//!     }
//!     while let Some(message) = agent.poll_transmit(now, down) {
//!         client.handle_input(now, up, message);
//!     }
//!     now = now + Duration::from_millis(1);
//! }
//! assert_eq!(client.read(now), Some(Chunk::Output(Bytes::from_static(b"$ "))));
//! assert_eq!(agent.read(now), Some(Chunk::Output(Bytes::from_static(b"ls\r"))));
//! # Ok(())
//! # }
//! ```
//!
//! The messages alone:
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
pub mod gateway;
mod json;
mod kind;
pub mod kms;
mod message;
pub mod mux;
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
