//! A session that keeps a record of itself.

use std::fmt::Debug;
use std::io::{self, Write};
use std::ops::Deref;

use bytes::Bytes;
use unbroken_proto::config::Seed;
use unbroken_proto::error::{ConfigError, PreservedTooLarge, SendRefusal};
use unbroken_proto::reconnect::{Backoff, Strategies};
use unbroken_proto::server::{Incoming, Rejection, Report, SessionCommand};
use unbroken_proto::{ClientConfig, Epoch, Event, Instant, Session, StreamId};

use crate::calls::Call;
use crate::plain::{Binary, Plain};
use crate::tape::Tape;

/// A [`Session`] whose calls are noted if a writer was given; else one that costs a comparison a call.
///
/// It has all of the session's methods: those that change nothing through `Deref`.
pub struct Traced {
    session: Session,
    tape: Option<Box<Tape>>,
    /// Of the last call.
    now: Instant,
}

impl From<Session> for Traced {
    /// Without a record.
    fn from(session: Session) -> Traced {
        Traced {
            session,
            tape: None,
            now: Instant::ZERO,
        }
    }
}

impl Deref for Traced {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Traced {
    /// [`Session::connect`], recorded from the first call on. What is written is a secret: see the [crate] documentation.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn connect(
        config: ClientConfig,
        seed: Seed,
        now: Instant,
        writer: impl Write + Send + 'static,
    ) -> Result<Traced, ConfigError> {
        let kept = Seed(seed.0);
        let session = Session::connect(config, seed, now)?;
        let tape = Tape::begin(Box::new(writer), session.side(), Some(&kept), now);
        Ok(Traced {
            session,
            tape: Some(Box::new(tape)),
            now,
        })
    }

    /// A session that is there already (the accepting side's), recorded from now on: to be read, not to be replayed.
    pub fn watched(session: Session, now: Instant, writer: impl Write + Send + 'static) -> Traced {
        let tape = Tape::begin(Box::new(writer), session.side(), None, now);
        Traced {
            session,
            tape: Some(Box::new(tape)),
            now,
        }
    }

    /// Why the record is not complete, if it is not: its writer failed.
    #[must_use]
    pub fn trace_error(&self) -> Option<&io::Error> {
        self.tape.as_ref().and_then(|tape| tape.error())
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.tape.is_some()
    }

    pub(crate) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(crate) fn note(&mut self, now: Instant, call: Option<Call>, out: Option<&dyn Debug>) {
        if let (Some(tape), Some(call)) = (&mut self.tape, call) {
            self.now = now;
            tape.note(now, call, out);
        }
    }

    /// The session itself, for a call whose arguments are not written down: only its name is, and a replay ends there.
    pub fn unrecorded(&mut self, now: Instant, method: &str) -> &mut Session {
        let call = self.is_recording().then(|| Call::Unrecorded {
            method: method.to_owned(),
        });
        self.note(now, call, None);
        &mut self.session
    }

    /// [`Session::write`], noted.
    ///
    /// # Errors
    /// As there.
    pub fn write(&mut self, now: Instant, stream: StreamId, data: &mut Bytes) -> Result<usize, SendRefusal> {
        let call = self.is_recording().then(|| Call::Write {
            stream: stream.0,
            data: data.written(),
        });
        let out = self.session.write(now, stream, data);
        self.note(now, call, Some(&out));
        out
    }

    /// [`Session::poll_transmit`]; a packet is noted.
    pub fn poll_transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool {
        let start = buf.len();
        let packed = self.session.poll_transmit(now, epoch, buf);
        if packed && self.is_recording() {
            let packet = Binary(buf[start..].to_vec());
            self.note(now, Some(Call::PollTransmit { epoch: epoch.0, packet }), None);
        }
        packed
    }

    /// [`Session::poll_event`]; an event is noted, under the instant of the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.session.poll_event();
        if let (Some(event), true) = (&event, self.is_recording()) {
            self.note(self.now, Some(Call::PollEvent {}), Some(event));
        }
        event
    }

    /// [`Session::poll_report`].
    pub fn poll_report(&mut self) -> Option<Report> {
        self.session.poll_report()
    }

    /// [`Session::adopt`]; what comes in is not written down.
    ///
    /// # Errors
    /// As there.
    pub fn adopt(&mut self, now: Instant, incoming: Incoming) -> Result<Epoch, Rejection> {
        self.unrecorded(now, "adopt").adopt(now, incoming)
    }

    /// [`Session::handle_command`]; the order is not written down.
    pub fn handle_command(&mut self, now: Instant, order: SessionCommand) {
        self.unrecorded(now, "handle_command").handle_command(now, order);
    }

    /// [`Session::preserve`]; the state is not written down.
    ///
    /// # Errors
    /// As there.
    pub fn preserve(&mut self, now: Instant, state: Bytes) -> Result<(), PreservedTooLarge> {
        self.unrecorded(now, "preserve").preserve(now, state)
    }

    /// [`Session::set_backoff`]; the policy is not written down.
    ///
    /// # Errors
    /// As there.
    pub fn set_backoff(&mut self, now: Instant, backoff: Backoff) -> Result<(), ConfigError> {
        self.unrecorded(now, "set_backoff").set_backoff(now, backoff)
    }

    /// [`Session::set_strategies`]; the table is not written down.
    pub fn set_strategies(&mut self, now: Instant, strategies: Strategies) {
        self.unrecorded(now, "set_strategies").set_strategies(now, strategies);
    }
}
