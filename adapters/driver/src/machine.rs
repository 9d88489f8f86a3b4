//! The machine as the driver has it: with the `trace` feature one that can keep a record of itself.

#[cfg(feature = "trace")]
mod kept {
    use unbroken_proto::{Instant, Session};
    pub(crate) use unbroken_trace::Traced as Machine;

    /// Without a record.
    pub(crate) fn plain(session: Session) -> Machine {
        session.into()
    }

    /// The session itself, for a call that a record knows by its name only.
    pub(crate) fn bare<'a>(machine: &'a mut Machine, now: Instant, call: &str) -> &'a mut Session {
        machine.unrecorded(now, call)
    }
}

#[cfg(not(feature = "trace"))]
mod kept {
    use unbroken_proto::Instant;
    pub(crate) use unbroken_proto::Session as Machine;

    pub(crate) fn plain(session: Machine) -> Machine {
        session
    }

    /// The session itself, for a call that a record would know by its name only.
    pub(crate) fn bare<'a>(machine: &'a mut Machine, _: Instant, _: &str) -> &'a mut Machine {
        machine
    }
}

pub(crate) use kept::{Machine, bare, plain};
