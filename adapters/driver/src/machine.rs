//! The machine as the driver has it: with the `trace` feature one that can keep a record of itself.

#[cfg(feature = "trace")]
mod kept {
    use std::io::Write;

    use unbroken_proto::{Instant, Session, SessionId};
    pub(crate) use unbroken_trace::Traced as Machine;

    /// Without a record.
    pub(crate) fn plain(session: Session) -> Machine {
        session.into()
    }

    type Writers = dyn Fn(SessionId) -> Option<Box<dyn Write + Send>> + Send;

    /// Where the records of a server's sessions go, if there are any.
    #[derive(Default)]
    pub(crate) struct Records(Option<Box<Writers>>);

    impl Records {
        pub(crate) fn new(writers: impl Fn(SessionId) -> Option<Box<dyn Write + Send>> + Send + 'static) -> Records {
            Records(Some(Box::new(writers)))
        }

        /// A session that was accepted, with its record.
        pub(crate) fn begin(&self, session: Session, now: Instant) -> Machine {
            let writer = self.0.as_ref().zip(session.id()).and_then(|(writers, id)| writers(id));
            match writer {
                Some(writer) => Machine::watched(session, now, writer),
                None => plain(session),
            }
        }
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

    /// Nothing is recorded.
    #[derive(Default)]
    pub(crate) struct Records(());

    impl Records {
        #[expect(clippy::unused_self, reason = "there are records with the feature")]
        pub(crate) fn begin(&self, session: Machine, _: Instant) -> Machine {
            session
        }
    }

    /// The session itself, for a call that a record would know by its name only.
    pub(crate) fn bare<'a>(machine: &'a mut Machine, _: Instant, _: &str) -> &'a mut Machine {
        machine
    }
}

pub(crate) use kept::{Machine, Records, bare, plain};
