//! Models of the AWS Session Manager programs, with their defects, and of the service between them, in virtual time.
//!
//! - [`hostile`]: a peer that may send anything.
//! - [`messages`]: the decoders against any bytes.
//! - [`peer`]: what can be put at either end.
//! - [`plugin`]: session-manager-plugin 1.2.677.0, the client.
//! - [`agent`]: amazon-ssm-agent 3.3.1142.0, the end on the instance.
//! - [`ours`]: the ends of this project, client and agent.
//! - [`gateway`]: the service that both dial.
//! - [`run`]: the loop that runs two ends and the service until everything has arrived, or nothing moves any more.
//!
//! The models were written from what the real programs were seen to do, and the tests in `tests/ssm_models` hold them
//! to the numbers that were measured. Nothing here asks a clock; every choice comes from a seed.

pub mod agent;
pub mod frames;
pub mod gateway;
pub mod hostile;
pub mod messages;
pub mod ours;
pub mod outgoing;
pub mod peer;
pub mod plugin;
pub mod run;
pub mod source;
pub mod timing;
