//! What the machine tells [`tracing`], if the feature of that name is on; else nothing, at no cost.
//!
//! Written, never read: no decision of the machine depends on it. No payload, key or credential is in it.
//! Targets begin with `unbroken_proto`; a session's life is at `INFO`, its connections at `DEBUG`, packets at `TRACE`.

#[cfg(feature = "tracing")]
mod on {
    use crate::error::ConnectionError;
    use crate::event::{EndReason, Event};
    use crate::id::{Epoch, SessionId, Side};

    /// A session's span: `session{side, id}`.
    pub(crate) struct Span(tracing::Span);

    impl Span {
        pub(crate) fn session(side: Side) -> Span {
            Span(tracing::info_span!("session", ?side, id = tracing::field::Empty))
        }

        /// The session has a name now.
        pub(crate) fn named(&self, id: SessionId) {
            self.0.record("id", tracing::field::debug(id));
        }

        pub(crate) fn enter(&self) -> tracing::span::EnteredSpan {
            self.0.clone().entered()
        }
    }

    pub(crate) fn event(event: &Event) {
        match event {
            Event::Established { id } => tracing::info!(?id, "established"),
            Event::Attached { .. } | Event::Detached { .. } | Event::GoAway { .. } => tracing::debug!(?event),
            event => tracing::trace!(?event),
        }
    }

    pub(crate) fn ended(reason: &EndReason) {
        tracing::info!(?reason, "ended");
    }

    pub(crate) fn packet_in(epoch: Epoch, len: usize) {
        tracing::trace!(?epoch, len, "packet in");
    }

    pub(crate) fn packet_out(epoch: Epoch, len: usize) {
        tracing::trace!(?epoch, len, "packet out");
    }

    pub(crate) fn refused_input(epoch: Epoch, error: &ConnectionError) {
        tracing::debug!(?epoch, %error, "connection dropped");
    }

    pub(crate) fn refused_stranger(what: &'static str) {
        tracing::debug!(what, "refused");
    }
}

#[cfg(not(feature = "tracing"))]
mod on {
    use crate::error::ConnectionError;
    use crate::event::{EndReason, Event};
    use crate::id::{Epoch, SessionId, Side};

    pub(crate) struct Span;

    /// Stands for a span that was entered.
    pub(crate) struct Entered;

    impl Span {
        pub(crate) fn session(_: Side) -> Span {
            Span
        }

        pub(crate) fn named(&self, _: SessionId) {}

        pub(crate) fn enter(&self) -> Entered {
            Entered
        }
    }

    pub(crate) fn event(_: &Event) {}
    pub(crate) fn ended(_: &EndReason) {}
    pub(crate) fn packet_in(_: Epoch, _: usize) {}
    pub(crate) fn packet_out(_: Epoch, _: usize) {}
    pub(crate) fn refused_input(_: Epoch, _: &ConnectionError) {}
    pub(crate) fn refused_stranger(_: &'static str) {}
}

pub(crate) use on::*;
