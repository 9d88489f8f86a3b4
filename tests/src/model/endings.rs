//! Which endings are right, given what happened.

use unbroken_proto::event::{Closer, EndReason};

use super::Verdict;

/// What really happened to one conversation, as far as it can justify an ending.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// The client's / server's application called `close`.
    pub closed: [bool; 2],
    /// Which end was aborted by its host.
    pub aborted: [bool; 2],
    /// The server's end was lost (restart, killed task).
    pub server_lost: bool,
    /// The client's end was dropped without a word.
    pub client_lost: bool,
    /// The accepting host refused the client for good.
    pub refused: bool,
    /// The accepting host, or its registry, had no room.
    pub busy: bool,
    /// The session was long enough without a connection, on some clock of the two, to expire.
    pub may_expire: bool,
    /// The registry may have to say that its memory does not reach back far enough.
    pub memory_short: bool,
    /// The backoff has an end.
    pub may_give_up: bool,
}

/// A short name for counters.
#[must_use]
pub fn name_of(reason: &EndReason) -> &'static str {
    match reason {
        EndReason::Closed { by: Closer::Local, .. } => "end: closed by us",
        EndReason::Closed { by: Closer::Peer, .. } => "end: closed by peer",
        EndReason::Closed { by: Closer::Both, .. } => "end: closed by both",
        EndReason::LingerExpired => "end: linger expired",
        EndReason::Aborted => "end: aborted",
        EndReason::AbortedByPeer => "end: aborted by peer",
        EndReason::Expired => "end: expired",
        EndReason::Superseded => "end: superseded",
        EndReason::Unknown => "end: unknown",
        EndReason::StateLost => "end: state lost",
        EndReason::ProtocolError { .. } => "end: protocol error",
        EndReason::Unauthorized => "end: unauthorized",
        EndReason::Busy => "end: busy",
        EndReason::GaveUp { .. } => "end: gave up",
        EndReason::Exhausted => "end: exhausted",
        EndReason::Replaced => "end: replaced",
        _ => "end: other",
    }
}

/// Whether an end numbered `us` (0 client, 1 server) may end so.
///
/// # Errors
/// When nothing that happened justifies it.
pub fn check_ending(us: usize, reason: &EndReason, so: &Circumstances) -> Verdict {
    let peer = 1 - us;
    let right = match reason {
        EndReason::Closed { by: Closer::Local, .. } => so.closed[us],
        EndReason::Closed { by: Closer::Peer, .. } => so.closed[peer],
        EndReason::Closed { by: Closer::Both, .. } => so.closed[us] && so.closed[peer],
        EndReason::LingerExpired => so.closed[us] || so.closed[peer],
        EndReason::Aborted => so.aborted[us],
        EndReason::AbortedByPeer => so.aborted[peer] || so.closed[peer],
        EndReason::Expired => {
            so.may_expire || so.server_lost || so.client_lost || so.aborted[peer] || so.closed != [false; 2]
        }
        EndReason::Unknown => so.server_lost || so.may_expire || so.aborted[peer] || so.memory_short,
        EndReason::Unauthorized => so.refused,
        EndReason::Busy => so.busy,
        EndReason::GaveUp { .. } => so.may_give_up,
        _ => false,
    };
    if right {
        Ok(())
    } else {
        Err(format!("side {us} ended with {reason:?} under {so:?}"))
    }
}

/// Whether two endings of one conversation agree: a completed close is known by both, or the other
/// one says that it could not know.
///
/// # Errors
/// When they contradict each other.
pub fn check_pair(client: &EndReason, server: &EndReason) -> Verdict {
    use EndReason::{Aborted, AbortedByPeer, Closed, Expired, LingerExpired, Unknown};
    let contradiction = || Err(format!("client ended with {client:?}, server with {server:?}"));
    match (client, server) {
        (
            Closed {
                code: a,
                reason: x,
                by: p,
            },
            Closed {
                code: b,
                reason: y,
                by: q,
            },
        ) => {
            let mirrored = matches!(
                (p, q),
                (Closer::Local, Closer::Peer) | (Closer::Peer, Closer::Local) | (Closer::Both, _) | (_, Closer::Both)
            );
            let same = a == b && x == y || matches!((p, q), (Closer::Both, _) | (_, Closer::Both));
            if mirrored && same { Ok(()) } else { contradiction() }
        }
        (EndReason::Unauthorized, Closed { .. }) => Ok(()),
        (Closed { .. }, LingerExpired | Expired | Aborted | AbortedByPeer)
        | (LingerExpired | Expired | Unknown | Aborted | AbortedByPeer, Closed { .. }) => Ok(()),
        (Closed { by: Closer::Local, .. }, _) | (_, Closed { by: Closer::Local, .. }) => contradiction(),
        _ => Ok(()),
    }
}
