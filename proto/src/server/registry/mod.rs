//! The registry: which sessions there are, and what a first packet or a proven client gets.
//!
//! | file | owns |
//! |---|---|
//! | `routing` | its fields, first packets |
//! | `reports` | what sessions report |
//! | `admit` | what a proven client gets |
//! | `drain` | how it empties itself |
//! | `restore` | sessions that a process before held |
//! | `lookup` | sessions that may be kept elsewhere |
//! | `query` | what a host asks and commands |

mod admit;
mod drain;
#[cfg(feature = "test-hooks")]
mod hooks;
mod lookup;
mod query;
mod reports;
mod restore;
mod routing;

pub use self::lookup::Recogniser;
pub use self::routing::Registry;
