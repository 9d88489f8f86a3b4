//! A client whose connections and dials go wrong in every way, whose host answers what it is asked for well, badly, late
//! or never, and which is paused, hurried and forced at any instant; beside it an oracle that counts for itself.
//!
//! Built on [`crate::duo`]: no latency, so that what is checked is the judgement, to the nanosecond.

mod oracle;
mod paces;
mod weather;

pub use oracle::Oracle;
pub use paces::Pace;
pub use weather::{Rig, Summary, run};
