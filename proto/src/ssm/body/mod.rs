//! What stands in payloads: JSON for the most part, compact and with the keys in the order in which the real programs write them.
//!
//! `decode` takes what those programs take: keys that it does not know are passed over, and a missing key or `null` has its default,
//! an empty string or 0. It takes no more than [`MAX_BODY`] bytes, and nothing that is nested deeper than [`MAX_DEPTH`]. (Go's decoder
//! does not mind the case of a key; this one does, and nobody writes another.) `encode` appends to the caller's buffer, and what was
//! read is written to the same bytes as the real programs write.
//!
//! | payload | body |
//! |---|---|
//! | message type `acknowledge` | [`Acknowledge`] |
//! | message type `channel_closed` | [`ChannelClosed`] |
//! | message type `agent_session_state` | [`AgentSessionState`] |
//! | payload type Size | [`Size`] |
//! | payload type HandshakeRequest | [`HandshakeRequest`] |
//! | payload type HandshakeResponse | [`HandshakeResponse`] |
//! | payload type HandshakeComplete | [`HandshakeComplete`] |
//! | payload types EncChallengeRequest, EncChallengeResponse | [`EncryptionChallenge`] |
//! | payload type Flag (4 bytes) | [`Flag`] |
//! | payload type ExitCode (text) | [`ExitCode`] |
//! | the first TEXT message of a connection | [`OpenDataChannel`] |
//! | HTTP, before a connection | [`CreateDataChannel`], [`ResumeSession`], [`SessionGrant`] |
//!
//! ```
//! use unbroken_proto::ssm::body::{ActionType, HandshakeRequest, SessionType};
//!
//! let request = HandshakeRequest::decode(br#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[
//!     {"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"portNumber":"22"}}}]}"#)?;
//! let action = &request.requested_client_actions[0];
//! assert_eq!(action.action_type, ActionType::SessionType);
//! let session = action.session_type()?;
//! assert_eq!(session.session_type, SessionType::Port);
//! assert_eq!(session.port()?.port_number.as_deref(), Some("22"));
//! # Ok::<(), unbroken_proto::ssm::body::BodyError>(())
//! ```

mod acknowledge;
mod api;
mod base64;
mod challenge;
mod channel;
mod complete;
mod exit_code;
mod flag;
mod kms;
mod open;
mod port;
mod raw;
mod request;
mod response;
mod size;
mod token;

pub use self::acknowledge::Acknowledge;
pub use self::api::{CreateDataChannel, ResumeSession, SessionGrant};
pub use self::base64::Base64;
pub use self::challenge::EncryptionChallenge;
pub use self::channel::{AgentSessionState, ChannelClosed, SessionState};
pub use self::complete::HandshakeComplete;
pub use self::exit_code::ExitCode;
pub use self::flag::Flag;
pub use self::kms::{KmsParameters, KmsResult};
pub use self::open::OpenDataChannel;
pub use self::port::{LOCAL_PORT_FORWARDING, PortProperties, UNIX};
pub use self::raw::RawJson;
pub use self::request::{ActionType, HandshakeRequest, RequestedClientAction, SessionType, SessionTypeParameters};
pub use self::response::{ActionStatus, HandshakeResponse, ProcessedClientAction};
pub use self::size::Size;
pub use self::token::Token;
pub use crate::ssm::json::{BodyError, MAX_BODY, MAX_DEPTH};

#[cfg(test)]
mod tests;
