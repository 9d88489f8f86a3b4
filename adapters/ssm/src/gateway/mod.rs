//! The service between clients and agents, on tokio: the part of AWS's API and of its Message Gateway Service that the two ends of a session
//! need, over one listening socket. For tests on loopback, and for programs that offer sessions of their own to Session Manager's clients.
//!
//! | request | answer |
//! |---|---|
//! | `POST /`, `X-Amz-Target: AmazonSSM.StartSession` | asks [`Sessions`], then a session's id, URL and token |
//! | … `AmazonSSM.ResumeSession` | URL and a new token, or `{}` when the session is no more |
//! | … `AmazonSSM.TerminateSession` | ends the session |
//! | `POST /v1/data-channel/<SessionId>` | CreateDataChannel: a token for an agent, in XML |
//! | `GET /v1/data-channel/<SessionId>` | a WebSocket, of which [`unbroken_proto::ssm::gateway`] says what goes over it |
//!
//! **Nobody is asked who they are unless [`Settings::authorise`] does it.** Signatures (SigV4) are not checked here; without a check of its own,
//! a gateway belongs on loopback. Tokens alone keep data channels apart: whoever may call the API gets one for any session whose id it
//! knows.
//!
//! ```no_run
//! use tokio::net::TcpListener;
//! use unbroken_ssm::gateway::{ApiError, Gateway, Settings, StartRequest};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::new(Settings::default(), |request: StartRequest| async move {
//!     match request.target.as_str() {
//!         // Here an agent is started for `request.session_id`, which calls CreateDataChannel at the same address.
//!         "i-1" => Ok(()),
//!         other => Err(ApiError::target_not_connected(other)),
//!     }
//! })?;
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! gateway.serve(listener).await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod api;
mod connection;
mod listen;
mod routes;
mod sessions;
mod settings;
mod shared;
mod websocket;

pub use listen::{Gateway, NewError};
pub use sessions::{ApiError, Sessions, StartRequest};
pub use settings::Settings;
pub use tokio_rustls::rustls;
pub use unbroken_proto::ssm::gateway::{
    AttachError, End, EndStats, EndedBy, Event, GatewayConfig, Refusal, SessionStats, StartError,
};
