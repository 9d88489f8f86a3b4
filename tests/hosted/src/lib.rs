//! Driver, server, carriers and stream halves under a simulator: a [runtime](SimRuntime) in virtual time, over a seeded network,
//! on an executor that misbehaves as executors may. Everything follows from one seed.

pub mod app;
pub mod client;
pub mod fault;
pub mod hostile;
mod inject;
pub mod kernel;
pub mod net;
pub mod options;
pub mod oracle;
mod run;
mod runtime;
pub mod server;
pub mod shared;
pub mod world;

pub use run::{Failure, Summary, run_options, run_seed};
pub use runtime::SimRuntime;
