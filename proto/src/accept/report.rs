//! What the registry is told of a session.

use alloc::vec::Vec;

use crate::event::EndReason;
use crate::id::SessionId;
use crate::liveness::Health;
use crate::security::Verifier;

/// What a session's owner passes on to the registry, newest state only: see [`Session::poll_report`](crate::Session::poll_report).
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) id: SessionId,
    pub(crate) status: Status,
    /// How its connection does, if it has one.
    pub(crate) health: Health,
    /// What it holds.
    pub(crate) bytes: u64,
    /// Why it is over, if it is.
    pub(crate) reason: Option<EndReason>,
}

/// What a registry must know of a session.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    /// Its client has not confirmed it yet.
    Provisional,
    /// A connection carries it.
    Attached,
    /// None does.
    Detached,
    /// It is over. No tombstone: it never was more than provisional.
    Ended(Option<Tombstone>),
}

/// What a session leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Tombstone {
    pub(crate) id: SessionId,
    /// The server's final position.
    pub(crate) position: u64,
    /// Of every resumption secret that the session would have accepted: one or two.
    pub(crate) verifiers: Vec<Verifier>,
}
