//! The reference model: what was written, what was read, what was promised at the end.

mod content;
mod endings;
mod fates;
mod half;
mod inferences;
mod ledger;
#[cfg(test)]
mod oracles;
mod truth;

pub use content::{fill, matches};
pub use endings::{Circumstances, check_ending, check_pair, name_of};
pub use half::Half;
pub use inferences::Kept;
pub use ledger::Ledger;
pub use truth::{Glance, Truth};

/// What went against the promise, in words.
pub type Verdict = Result<(), String>;
