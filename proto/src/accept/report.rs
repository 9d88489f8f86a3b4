//! What the registry is told of a session.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use bytes::Bytes;

use crate::event::EndReason;
use crate::id::SessionId;
use crate::liveness::Health;
use crate::security::Verifier;
use crate::wire::frame::{Predecessor, Verdict};

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
    /// The server's last position.
    pub(crate) position: u64,
    /// How it ended, where its client is told more than that it did.
    pub(crate) over: Option<Box<Over>>,
    /// Whether that is the final one. Where the positions contradicted each other it is information only.
    pub(crate) is_final: bool,
    /// The positions that its client may state without contradicting what was sent to it and what it said.
    pub(crate) believable: RangeInclusive<u64>,
    /// The highest authentic attach counter.
    pub(crate) counter: u64,
    /// Of every resumption secret that the session would have accepted: one or two.
    pub(crate) verifiers: Vec<Verifier>,
}

/// How a session ended of which its client may not have heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The server's host closed it.
    Closed { code: u64, reason: Bytes },
    /// Another session took its name.
    Replaced,
    /// It is over here alone: another process goes on with it, or may.
    Elsewhere,
}

impl Tombstone {
    /// What its client hears of it, that proves itself with this. `handshake_hash`: what the MAC is over. `None`: that is not for
    /// this process to say.
    pub(crate) fn verdict(&self, named: &Predecessor, handshake_hash: &[u8; 32]) -> Option<Verdict> {
        let position = self.position;
        let over = match self.over.as_deref() {
            Some(Over::Elsewhere) => return None,
            None => Verdict::Expired { position },
            Some(Over::Closed { code, reason }) => Verdict::Closed {
                position,
                code: *code,
                reason: reason.clone(),
            },
            Some(Over::Replaced) => Verdict::Replaced { position },
        };
        Some(
            if !self.is_proven_by(handshake_hash, named) || named.counter <= self.counter {
                Verdict::Superseded
            } else if !self.is_final || !self.believable.contains(&named.position) {
                Verdict::StateLost { position }
            } else {
                over
            },
        )
    }

    /// Whether `named` comes from who had a secret of the session. `handshake_hash`: what the MAC is over.
    pub(crate) fn is_proven_by(&self, handshake_hash: &[u8; 32], named: &Predecessor) -> bool {
        let mut verifiers = self.verifiers.iter();
        verifiers.any(|verifier| verifier.check(handshake_hash, &named.mac))
    }

    /// Whether the session may go on in another process, so that nothing final can be said of it here.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.over.as_deref() == Some(&Over::Elsewhere)
    }
}
