//! A simulator of durable sessions: processes that die at any step and begin again with what their disks hold, in virtual time.
//! One seed decides everything.
//!
//! - [`Options`]: what a schedule is made of; [`Plan`]: what its applications say.
//! - [`World`]: processes, disks, connections; `host`, `server`, `fleet`, `begin`, `faults` and `stages` are what happens in it, `checks` what is
//!   looked at meanwhile.
//! - [`App`]: an application that keeps its own marks, or relies on the journal's.
//! - [`Truth`]: the oracle.

mod app;
mod begin;
mod checks;
mod disk;
mod faults;
mod fleet;
mod host;
mod net;
mod options;
mod over;
mod plan;
mod run;
mod server;
mod stages;
mod truth;
mod world;

pub use app::App;
pub use options::{Options, Scenario};
pub use plan::Plan;
pub use run::{Summary, run_seed};
pub use truth::Truth;
pub use world::World;
