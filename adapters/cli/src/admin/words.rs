//! What people read of a session's life.

use unbroken_tokio::proto::Health;
use unbroken_tokio::proto::event::{Closer, EndReason};
use unbroken_tokio::proto::session::SessionState;

use super::protocol::State;

/// Of a session that lives.
pub(super) fn state(state: SessionState, health: Health) -> State {
    match (state, health) {
        (SessionState::Connecting, _) => State::Connecting,
        (SessionState::Closing, _) => State::Closing,
        (SessionState::Ended, _) => State::Closed,
        (_, Health::Detached) => State::Detached,
        (_, Health::Idle) => State::Idle,
        (_, Health::Suspect) => State::Suspect,
        _ => State::Connected,
    }
}

/// Of one that is over.
pub(super) fn after(reason: &EndReason) -> State {
    match reason {
        EndReason::Expired => State::Expired,
        _ => State::Closed,
    }
}

/// Why a session is over, seen from its server.
pub(super) fn ending(reason: &EndReason) -> String {
    match reason {
        EndReason::Closed { reason, by, .. } => {
            let who = match by {
                Closer::Local => "closed here",
                Closer::Peer => "closed by the client",
                Closer::Both => "closed at both ends",
            };
            match reason.is_empty() {
                true => who.to_owned(),
                false => format!("{who}: {}", String::from_utf8_lossy(reason)),
            }
        }
        EndReason::LingerExpired => "closed here; the client did not answer".into(),
        EndReason::Aborted => "ended here".into(),
        EndReason::AbortedByPeer => "ended by the client".into(),
        EndReason::Expired => "the client did not come back".into(),
        other => format!("{other:?}"),
    }
}
