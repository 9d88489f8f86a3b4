//! AWS's own Session Manager: credentials from the usual places, signatures, regional endpoints, KMS.
//!
//! [`Aws`] makes the calls of a client; [`Aws::client`] is the [`Service`](crate::Service) of its sessions, [`Aws::agent`] that of an agent's.
//!
//! ```no_run
//! use unbroken_ssm::api::StartSession;
//! use unbroken_ssm::aws::Aws;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let aws = Aws::load(Some("eu-west-1"), None, None).await?;
//! let wanted = StartSession::new("i-0123456789abcdef0");
//! let started = aws.api().start_session(&wanted).await?;
//! let service = aws.client(&wanted.target);
//! # drop((started, service));
//! # Ok(())
//! # }
//! ```
//!
//! # Where credentials come from
//! In this order: the environment, the profile of the shared files (with SSO, roles to assume, web identity and `credential_process`), web
//! identity of the environment, the container's service (ECS, EKS), the instance's metadata. They are looked up when the first request is
//! signed, kept until they expire in less than a minute or until a service refuses them, and then looked up afresh, files and all. A look-up
//! takes 30 s at most. Its requests go the way of all others: [`Http`](crate::api::Http) says which proxies that takes.
//!
//! # Whom signatures are sent to
//! Signed are calls to the endpoints of `ssm` and `kms`, and upgrades at whatever host a session's stream URL names, as that URL comes from
//! the service. The secret key is never sent, but temporary credentials have a token, which is a header. Therefore nothing is signed
//! that goes in clear (`http://`, `ws://`) to any host but a loopback one; the request is sent without.

mod agent;
mod client;
mod credentials;
mod endpoint;
mod error;
mod kms;
mod load;
mod lookup;
mod signer;

pub use agent::AwsAgent;
pub use client::AwsClient;
pub use error::LoadError;
pub use load::Aws;
pub use signer::Signer;
