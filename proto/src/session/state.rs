//! Where a session is in its life: the one enum, its diagram, and every transition.
//!
//! ```text
//!  Connecting ──attached──▶ Attached ◀──attached── Detached
//!      │  │                │  └──────detached───────▲  │
//!      │  │              close                       close
//!      │  │                ▼                           ▼
//!      │  │         ClosingAttached ◀───────▶ ClosingDetached
//!      │  └──────────────close───────────────────────▲ │
//!      └───────────────────┴───────── end ─────────────┴──▶ Ended
//! ```
//! `close` while Connecting ends the session at once if nothing is queued; `end` is possible everywhere.

/// Where a session is in its life, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// No handshake is complete yet.
    Connecting,
    /// A connection carries it.
    Attached,
    /// No connection carries it; it can resume.
    Detached,
    /// `close` was called here or by the peer; not everything is settled yet.
    Closing,
    /// Over.
    Ended,
}

/// Where a session is in its life, as a list of sessions shows it to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// It has no connection, for the first time or again.
    Connecting,
    /// A connection carries it.
    Connected,
    /// A connection carries it, and nothing has been said for a while.
    Idle,
    /// Over: nobody came back in time.
    Expired,
    /// Over for any other reason.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Connecting,
    Attached,
    Detached,
    ClosingAttached,
    ClosingDetached,
    Ended,
}

impl State {
    /// A connection proved itself.
    pub(super) fn attached(self) -> State {
        match self {
            State::Connecting | State::Attached | State::Detached => State::Attached,
            State::ClosingAttached | State::ClosingDetached => State::ClosingAttached,
            State::Ended => State::Ended,
        }
    }

    /// The last connection went.
    pub(super) fn detached(self) -> State {
        match self {
            State::Connecting => State::Connecting,
            State::Attached | State::Detached => State::Detached,
            State::ClosingAttached | State::ClosingDetached => State::ClosingDetached,
            State::Ended => State::Ended,
        }
    }

    /// One end closed.
    pub(super) fn closing(self) -> State {
        match self {
            State::Attached | State::ClosingAttached => State::ClosingAttached,
            State::Connecting | State::Detached | State::ClosingDetached => State::ClosingDetached,
            State::Ended => State::Ended,
        }
    }

    pub(super) fn is_ended(self) -> bool {
        self == State::Ended
    }

    pub(super) fn lifecycle(self, idle: bool, expired: bool) -> Lifecycle {
        match self {
            State::Connecting | State::Detached | State::ClosingDetached => Lifecycle::Connecting,
            State::Attached | State::ClosingAttached if idle => Lifecycle::Idle,
            State::Attached | State::ClosingAttached => Lifecycle::Connected,
            State::Ended if expired => Lifecycle::Expired,
            State::Ended => Lifecycle::Closed,
        }
    }

    pub(super) fn public(self) -> SessionState {
        match self {
            State::Connecting => SessionState::Connecting,
            State::Attached => SessionState::Attached,
            State::Detached => SessionState::Detached,
            State::ClosingAttached | State::ClosingDetached => SessionState::Closing,
            State::Ended => SessionState::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State::*;

    /// The whole table, so that a change of the diagram shows in a diff.
    #[test]
    fn transitions() {
        let rows = [
            (Connecting, Attached, Connecting, ClosingDetached),
            (Attached, Attached, Detached, ClosingAttached),
            (Detached, Attached, Detached, ClosingDetached),
            (ClosingAttached, ClosingAttached, ClosingDetached, ClosingAttached),
            (ClosingDetached, ClosingAttached, ClosingDetached, ClosingDetached),
            (Ended, Ended, Ended, Ended),
        ];
        for (from, attached, detached, closing) in rows {
            assert_eq!(
                (from.attached(), from.detached(), from.closing()),
                (attached, detached, closing),
                "{from:?}"
            );
        }
    }
}
