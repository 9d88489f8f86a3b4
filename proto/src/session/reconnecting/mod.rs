//! How the client goes about having a connection. It decides; the session carries out.
//!
//! | file | owns |
//! |---|---|
//! | `state` | the fields, and what anybody may ask |
//! | `dialing` | what connection is wanted, and what is known of the way to it |
//! | `plan` | what a decision rests on, and what it comes to |
//! | `scheduling` | which strategy, which attempt, and when |
//! | `answers` | what the host's answers and failures do |

mod answers;
mod dialing;
mod plan;
mod scheduling;
mod state;

pub(crate) use self::plan::{Circumstances, Decision};
pub use self::state::Reconnecting;
