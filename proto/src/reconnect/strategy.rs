//! What is done about a cause: plain data that the host may replace.

use super::cause::Cause;
use crate::setters::setters;
use crate::time::Duration;

/// What is done to have a session again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// A new connection, the same session.
    Resume,
    /// Load the session from storage, then resume.
    Restore,
    /// Start the peer's process again with its preserved state, then resume if the session survived in
    /// it, else start fresh.
    Restart,
    /// A new session: what runs inside cannot go on in the old one. The old one ends with
    /// [`EndReason::Fresh`](crate::event::EndReason::Fresh) and its fates.
    Fresh,
    /// Give what runs inside its preserved state and output history again, then resume if there is no
    /// connection. Where no try is left to do so and a connection is up, that goes on; the host, whose answers
    /// these failures were, decides what becomes of what runs inside.
    Recover,
    /// One after the other, with a pause between, until one succeeds: resume, restore, restart, fresh.
    Force,
}

impl Strategy {
    /// What [`Force`](Strategy::Force) goes through.
    pub const ESCALATION: [Strategy; 4] = [Strategy::Resume, Strategy::Restore, Strategy::Restart, Strategy::Fresh];

    /// What the host must do and answer before it dials.
    #[must_use]
    pub fn preparation(self) -> Option<Preparation> {
        match self {
            Strategy::Restore => Some(Preparation::Restore),
            Strategy::Restart => Some(Preparation::Restart),
            Strategy::Recover => Some(Preparation::Recover),
            Strategy::Resume | Strategy::Fresh | Strategy::Force => None,
        }
    }
}

/// What the host is asked to do before it dials. No dial counts before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preparation {
    /// Load the session from storage; answer with [`Answer::Restored`](crate::reconnect::Answer::Restored).
    Restore,
    /// Start the peer's process; answer with [`Answer::Restarted`](crate::reconnect::Answer::Restarted).
    Restart,
    /// Give what runs inside its state again; answer with [`Answer::Recovered`](crate::reconnect::Answer::Recovered).
    Recover,
}

/// What a restarted process still knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// It has the session: resume.
    Kept,
    /// It is a new one and knows nothing of the session: start fresh.
    Lost,
}

/// The table from cause to strategy, and how patiently it is followed.
///
/// The default is in the table of the [module](super)'s documentation. A host whose inside cannot resume
/// (an SSH connection behind a forward that broke) puts [`Strategy::Fresh`] where it is needed:
///
/// ```
/// use unbroken_proto::Cause;
/// use unbroken_proto::reconnect::{Strategies, Strategy};
/// let strategies = Strategies::default().with(Cause::ApplicationLost, Strategy::Fresh);
/// assert_eq!(strategies.for_cause(Cause::ApplicationLost), Strategy::Fresh);
/// assert_eq!(strategies.for_cause(Cause::Network), Strategy::Resume);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategies {
    table: [Strategy; Cause::ALL.len()],
    final_causes: [bool; Cause::ALL.len()],
    /// How long the host may take for a [`Preparation`]. Default 30 s.
    pub preparation_timeout: Duration,
    /// The pause before each further step of [`Strategy::Force`]. Default 2 s.
    pub escalation_pause: Duration,
}

impl Default for Strategies {
    fn default() -> Self {
        Strategies::resume_always()
            .with(Cause::ProcessEnded, Strategy::Restart)
            .with(Cause::StateDamaged, Strategy::Restore)
            .with(Cause::ApplicationLost, Strategy::Recover)
    }
}

impl Strategies {
    /// [`Strategy::Resume`] whatever the cause.
    #[must_use]
    pub fn resume_always() -> Strategies {
        Strategies {
            table: [Strategy::Resume; Cause::ALL.len()],
            final_causes: Cause::ALL.map(|cause| matches!(cause, Cause::Untrusted | Cause::NoService)),
            preparation_timeout: Duration::from_secs(30),
            escalation_pause: Duration::from_secs(2),
        }
    }

    /// The table with one row changed.
    #[must_use]
    pub fn with(mut self, cause: Cause, strategy: Strategy) -> Strategies {
        if let Some(row) = self.table.get_mut(cause.index()) {
            *row = strategy;
        }
        self
    }

    /// Whether an attempt that failed of `cause`, in its preparation, dial or handshake, ends a session that was never established
    /// ([`EndReason::GaveUp`](crate::event::EndReason::GaveUp)). By default [`Cause::Untrusted`] and [`Cause::NoService`] do: the address
    /// or the certificate has to change. Where somebody else may stand in the way of a first connection (a captive portal), a host that
    /// would rather dial on takes that back. A session that was established goes on by its backoff whatever is final here.
    ///
    /// ```
    /// use unbroken_proto::{Cause, reconnect::Strategies};
    /// let patient = Strategies::default()
    ///     .with_final(Cause::Untrusted, false)
    ///     .with_final(Cause::NoService, false);
    /// assert!(!Cause::ALL.into_iter().any(|cause| patient.is_final(cause)));
    /// ```
    #[must_use]
    pub fn with_final(mut self, cause: Cause, is_final: bool) -> Strategies {
        if let Some(row) = self.final_causes.get_mut(cause.index()) {
            *row = is_final;
        }
        self
    }

    /// What [`with_final`](Self::with_final) says of `cause`.
    #[must_use]
    pub fn is_final(&self, cause: Cause) -> bool {
        self.final_causes.get(cause.index()).copied().unwrap_or(false)
    }

    /// What is done about `cause`.
    #[must_use]
    pub fn for_cause(&self, cause: Cause) -> Strategy {
        self.table.get(cause.index()).copied().unwrap_or(Strategy::Resume)
    }
}

setters! {
    Strategies {
        with_preparation_timeout preparation_timeout: Duration,
        with_escalation_pause escalation_pause: Duration,
    }
}

#[cfg(test)]
mod tests;
