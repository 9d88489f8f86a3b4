//! The service between clients and agents, as a machine without I/O: it holds sessions and their tokens, and passes frames from one end
//! to the other.
//!
//! It is what AWS's Message Gateway Service is to its data channels, as far as the two ends can tell: both of them dial, it alone listens.
//! A host brings HTTP, WebSockets and the decision who may do what; [`Gateway`] has the rest:
//!
//! - **Sessions** have a name. [`Gateway::start`] begins one; it ends when its agent says `Terminating`, when [`Gateway::terminate`] is
//!   called, or when neither end has had a connection for a while.
//! - **Tokens** ([`Gateway::token`]) open one connection each, of the session and the end that they were made for.
//! - **Connections** say first who they are ([`OpenDataChannel`](crate::ssm::body::OpenDataChannel), with a token). An end has one
//!   connection, the newest.
//! - **Frames** are passed whole and unchanged, in order, and only those that an end may send: `input_stream_data` and `acknowledge` from
//!   a client, `output_stream_data` and `acknowledge` from an agent. All else is dropped and counted.
//!
//! What is on its way to an end is held up to a bound ([`GatewayConfig::held_bytes`]). While both ends are connected, whoever sends more
//! is not read from ([`Gateway::wants_input`]), and nothing is dropped. For an end that is away, what finds no room is dropped; the ends
//! send again what was not acknowledged.
//!
//! ```
//! use unbroken_proto::config::Seed;
//! use unbroken_proto::ssm::gateway::{End, Gateway, GatewayConfig};
//! use unbroken_proto::ssm::{Agent, AgentConfig, Client, ClientConfig};
//! use unbroken_proto::time::{Duration, Instant};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut now, unix_millis) = (Instant::from_millis(0), 1_795_000_000_000);
//! let mut gateway = Gateway::new(GatewayConfig::default(), Seed([3; 32]), now, unix_millis)?;
//!
//! // StartSession, and what it answers.
//! gateway.start(now, "s-1")?;
//! let token = gateway.token("s-1", End::Client).ok_or("a session without a token")?;
//! let mut client = Client::new(ClientConfig::new("s-1", token), Seed([1; 32]), now, unix_millis)?;
//! // CreateDataChannel.
//! let mut agent = Agent::new(AgentConfig::new("s-1", "i-1"), Seed([2; 32]), now, unix_millis)?;
//! let token = gateway.token("s-1", End::Agent).ok_or("a session without a token")?;
//! let attempt = agent.wanted_connection().ok_or("no wish")?.attempt;
//! agent.handle_token(now, attempt, token, None);
//!
//! // Both dial.
//! let (up, up_there) = (client.attach(now).ok_or("no dial")?, gateway.attach(now, "s-1")?);
//! let (down, down_there) = (agent.attach(now).ok_or("no dial")?, gateway.attach(now, "s-1")?);
//! agent.write(now, &"$ ".into());
//! for _ in 0..10 {
//!     while let Some(message) = client.poll_transmit(now, up) {
//!         gateway.handle_input(now, up_there, message);
//!     }
//!     while let Some(message) = agent.poll_transmit(now, down) {
//!         gateway.handle_input(now, down_there, message);
//!     }
//!     while let Some(message) = gateway.poll_transmit(now, up_there) {
//!         client.handle_input(now, up, message);
//!     }
//!     while let Some(message) = gateway.poll_transmit(now, down_there) {
//!         agent.handle_input(now, down, message);
//!     }
//!     now = now + Duration::from_millis(1);
//! }
//! assert!(client.read(now).is_some());
//! # Ok(())
//! # }
//! ```

mod config;
mod event;
mod machine;
mod pipe;
mod session;
mod steps;
mod tokens;

pub use self::config::GatewayConfig;
pub use self::event::{
    AttachError, ConnectionId, End, EndStats, EndedBy, Event, Refusal, SessionStats, StartError, is_session_id,
};
pub use self::machine::Gateway;

#[cfg(test)]
mod tests;
