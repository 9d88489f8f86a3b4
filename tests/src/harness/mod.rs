//! A client whose connections and dials go wrong in every way, whose host answers what it is asked for well, badly, late
//! or never, and which is paused, hurried and forced at any instant; beside it an oracle that counts for itself.
//!
//! Built on [`crate::pair`]: no latency, so that what is checked is the judgement, to the nanosecond.

mod faults;
mod oracle;
mod pace;

pub use faults::{Harness, Summary, run};
pub use oracle::Oracle;
pub use pace::Pace;
