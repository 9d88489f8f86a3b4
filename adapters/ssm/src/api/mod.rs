//! The service's HTTP API: StartSession, ResumeSession and TerminateSession for clients, CreateDataChannel for agents.
//!
//! [`Api`] makes the calls of a client and [`ClientService`] is the [`Service`](crate::Service) of its sessions; [`AgentService`] is that of
//! an agent's. What signs the requests is a parameter: [`Unsigned`], for a gateway of one's own, or what the feature `aws` has.
//!
//! ```no_run
//! use unbroken_ssm::api::{Api, ClientService, Http, StartSession, Unsigned};
//! use unbroken_ssm::Tls;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = "https://gateway.example.org/".parse()?;
//! let api = Api::new(Http::new(Tls::platform()?), gateway, Unsigned);
//! let started = api.start_session(&StartSession::new("i-0123456789abcdef0")).await?;
//! let service = ClientService::new(api);
//! # drop((started, service));
//! # Ok(())
//! # }
//! ```

mod agent;
mod calls;
mod client;
mod connecting;
mod error;
mod http;
mod http_error;
mod sign;

pub use agent::AgentService;
#[cfg(feature = "aws")]
pub(crate) use calls::call;
pub use calls::{Api, StartSession, Started};
pub use client::ClientService;
#[cfg(feature = "aws")]
pub(crate) use connecting::is_loopback;
pub use error::{ApiError, ServiceError};
pub use http::Http;
#[cfg(feature = "aws")]
pub(crate) use http::Limits;
pub use http_error::{HttpError, MAX_ANSWER};
pub use sign::{Sign, Unsigned};
