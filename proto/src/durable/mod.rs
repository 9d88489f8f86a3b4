//! Durable sessions: what is kept of one, in which bytes, and how it is read back. Which effects wait for it stands with each of them.
//!
//! | file | owns |
//! |---|---|
//! | `op` | operations, which a journal is a list of |
//! | `fields` | what operations and snapshots are made of |
//! | `record` | the bytes around them, and what a host is given |
//! | `journal` | what waits to be kept, and how much is |
//! | `news` | what the peer's frames have for the application, until they are kept |
//! | `registered` | what a registry knows of the session |
//! | `restore` | a journal read back |

pub(crate) mod fields;
mod journal;
mod news;
pub(crate) mod op;
mod record;
mod registered;
pub(crate) mod restore;
mod taken;

pub use self::journal::Mark;
pub(crate) use self::journal::{Journal, Positions};
pub(crate) use self::news::News;
pub(crate) use self::op::Op;
pub use self::record::Record;
pub(crate) use self::registered::Registered;
pub use self::restore::RestoreError;
pub(crate) use self::restore::{Restored, read};

#[cfg(test)]
mod tests;
