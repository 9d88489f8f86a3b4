//! Where a session stands in its life.

/// Where a session stands in its life, as its owner sees it.
///
/// ```text
///  Connecting ──attached──▶ Attached ◀──attached── Detached
///      │  │                  │  └─────detached──────▲  │
///      │  └──────close────┐ close                 close
///      │                  ▼  ▼                      │
///      │                Closing ◀───────────────────┘
///      └────── end ───────┴─── (from everywhere) ────▶ Ended
/// ```
/// `close` while connecting ends the session at once if nothing is queued.
///
/// How well a connection does is [`Health`](crate::Health)'s to say, and why a session is over
/// [`Session::end_reason`](crate::Session::end_reason)'s. The five states that a list of sessions shows follow from these:
///
/// | shown | when |
/// |---|---|
/// | connecting | `Connecting`, `Detached`, or `Closing` with [`Health::Detached`](crate::Health::Detached) |
/// | connected | `Attached` or `Closing` with any other health |
/// | idle | the same with [`Health::Idle`](crate::Health::Idle) |
/// | expired | `Ended`, for [`EndReason::Expired`](crate::event::EndReason::Expired) |
/// | closed | `Ended`, for any other reason |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// No connection has carried it yet: its first handshake is not complete.
    Connecting,
    /// A connection carries it.
    Attached,
    /// No connection carries it any more; it can resume.
    Detached,
    /// `close` was called here or by the peer; not everything is settled yet.
    Closing,
    /// Over.
    Ended,
}

/// What decides where a session stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) ended: bool,
    pub(crate) closing: bool,
    pub(crate) attached: bool,
    /// It was attached at least once.
    pub(crate) established: bool,
}

impl Facts {
    pub(crate) fn state(self) -> SessionState {
        match self {
            Facts { ended: true, .. } => SessionState::Ended,
            Facts { closing: true, .. } => SessionState::Closing,
            Facts { attached: true, .. } => SessionState::Attached,
            Facts { established: true, .. } => SessionState::Detached,
            _ => SessionState::Connecting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, so that a change shows in a diff.
    #[test]
    fn every_combination_of_facts() {
        use SessionState::*;
        // Not closing: neither, established, attached, both; then the same while closing.
        let rows = [
            Connecting, Detached, Attached, Attached, Closing, Closing, Closing, Closing,
        ];
        for (bits, expected) in rows.into_iter().enumerate() {
            let facts = |ended| Facts {
                ended,
                closing: bits & 4 != 0,
                attached: bits & 2 != 0,
                established: bits & 1 != 0,
            };
            assert_eq!(facts(false).state(), expected, "{bits:03b}");
            assert_eq!(facts(true).state(), Ended, "{bits:03b}");
        }
    }
}
