//! Terminals that a server holds for its clients: a program, what it printed, and at most one client that is attached.

mod attached;
mod held;
pub(crate) mod messages;
mod piped;
mod pty;
mod registry;
mod screen;

pub(crate) use self::attached::serve;
pub(crate) use self::registry::{Owner, Terminals};
