//! The inner view that some invariants need, in one place.

use unbroken_proto::Session;
use unbroken_proto::SessionConfig;
use unbroken_proto::config::WindowBudget;

/// What the machine shows of its inside (see testing.md, invariants 2, 5, 6 and 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Everything of the peer's below this position is ours.
    pub expected: u64,
    /// The peer has acknowledged everything below this position.
    pub acked: u64,
    /// The next position to be committed.
    pub next: u64,
    /// Over everything that outlives a connection.
    pub state_hash: u64,
    /// Bytes packed below what the receiver had stated. Must stay zero.
    pub redundant_replay: u64,
}

/// Looks inside.
#[must_use]
pub fn probe(session: &Session) -> Option<Probe> {
    let seen = session.inspect();
    Some(Probe {
        expected: seen.expected,
        acked: seen.acked,
        next: seen.next,
        state_hash: seen.state_hash,
        redundant_replay: seen.redundant,
    })
}

/// What an end may hold unread: its largest window, and no more beyond its first than the budget gave all of its sessions.
#[must_use]
pub fn most_unread(config: &SessionConfig) -> usize {
    let bytes = |window| usize::try_from(window).unwrap_or(usize::MAX);
    let granted = config.window_budget.as_ref().map_or(usize::MAX, WindowBudget::granted);
    let first = bytes(config.session_window);
    first
        .max(bytes(config.max_session_window))
        .min(first.saturating_add(granted))
}
