//! A session that keeps a record of itself.

use std::fmt::Debug;
use std::io::{self, Write};
use std::ops::Deref;

use bytes::{Buf, Bytes};
use unbroken_proto::config::Seed;
use unbroken_proto::durable::{Record, RestoreError};
use unbroken_proto::error::{CodeTooLarge, ConfigError, PreservedTooLarge, SendRefusal};
use unbroken_proto::reconnect::{Answer, Backoff, Strategies};
use unbroken_proto::security::AtRest;
use unbroken_proto::server::{Incoming, Rejection, Report, SessionCommand};
use unbroken_proto::{ClientConfig, Duration, Epoch, Event, Instant, Session, StreamId};

use crate::calls::Call;
use crate::plain::{Binary, Plain, WrittenAnswer};
use crate::tape::{Restored, Tape};

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
        let tape = Tape::begin(Box::new(writer), session.side(), Some(&kept), None, now);
        Ok(Traced {
            session,
            tape: Some(Box::new(tape)),
            now,
        })
    }

    /// [`Session::restore`], recorded from the first call on, with the journal as it was kept: a sealed one stays sealed, and opens with its storage
    /// key alone. What is written is a secret all the same: see the [crate] documentation.
    ///
    /// # Errors
    /// As [`Session::restore`].
    pub fn restore(
        config: ClientConfig,
        journal: &[Bytes],
        away: Option<Duration>,
        seed: Seed,
        now: Instant,
        writer: impl Write + Send + 'static,
    ) -> Result<Traced, RestoreError> {
        let kept = Seed(seed.0);
        let session = Session::restore(config, journal, away, seed, now)?;
        let restored = Restored {
            journal: journal.iter().map(Plain::written).collect(),
            away: away.map(|away| away.written()),
        };
        let tape = Tape::begin(Box::new(writer), session.side(), Some(&kept), Some(restored), now);
        Ok(Traced {
            session,
            tape: Some(Box::new(tape)),
            now,
        })
    }

    /// A session that is there already (the accepting side's), recorded from now on: to be read, not to be replayed.
    pub fn watched(session: Session, now: Instant, writer: impl Write + Send + 'static) -> Traced {
        let tape = Tape::begin(Box::new(writer), session.side(), None, None, now);
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

    /// [`Session::stream`], whose calls are noted.
    pub fn stream(&mut self, id: StreamId) -> Stream<'_> {
        Stream { traced: self, id }
    }

    /// [`Session::reconnect`], whose calls are noted.
    pub fn reconnect(&mut self) -> Reconnect<'_> {
        Reconnect { traced: self }
    }

    /// [`Session::handle_answer`], noted.
    pub fn handle_answer(&mut self, now: Instant, attempt: u64, answer: Answer) {
        let call = self.is_recording().then(|| match WrittenAnswer::of(&answer) {
            Some(answer) => Call::HandleAnswer { attempt, answer },
            None => Call::Unrecorded {
                method: "handle_answer".to_owned(),
            },
        });
        self.session.handle_answer(now, attempt, answer);
        self.note(now, call, Some(&()));
    }

    /// [`Session::poll_transmit`]; a packet is noted, and so is a call that packed nothing and gave frames of a durable session their
    /// positions, which are to be kept before they go out.
    pub fn poll_transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool {
        let (start, before) = (buf.len(), self.session.mark());
        let packed = self.session.poll_transmit(now, epoch, buf);
        if (packed || self.session.mark() != before) && self.is_recording() {
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

    /// [`Session::poll_record`]; a record is noted, under the instant of the last call.
    pub fn poll_record(&mut self) -> Option<Record> {
        let record = self.session.poll_record();
        self.note_record(record.as_ref(), |record| Call::PollRecord { record });
        record
    }

    /// [`Session::snapshot`], noted alike.
    pub fn snapshot(&mut self) -> Option<Record> {
        let record = self.session.snapshot();
        self.note_record(record.as_ref(), |record| Call::Snapshot { record });
        record
    }

    /// [`Session::remains`]. It is not noted: there is nothing behind it.
    pub fn remains(&mut self) -> Option<Record> {
        self.session.remains()
    }

    fn note_record(&mut self, record: Option<&Record>, call: impl FnOnce(Binary) -> Call) {
        if let (Some(record), true) = (record, self.is_recording()) {
            self.note(self.now, Some(call(record.bytes.written())), None);
        }
    }

    /// [`Session::export`]; only its name is written down, since the key of the ticket is among its arguments.
    pub fn export(&mut self, now: Instant, at_rest: &AtRest) -> Option<Bytes> {
        self.unrecorded(now, "export").export(now, at_rest)
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

    /// [`Session::handle_command`]; the command is not written down.
    ///
    /// # Errors
    /// As there.
    pub fn handle_command(&mut self, now: Instant, command: SessionCommand) -> Result<(), CodeTooLarge> {
        self.unrecorded(now, "handle_command").handle_command(now, command)
    }
}

/// As [`Session::stream`] gives it, with each call noted.
pub struct Stream<'a> {
    pub(crate) traced: &'a mut Traced,
    pub(crate) id: StreamId,
}

impl Stream<'_> {
    /// Which stream it is.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// [`write`](unbroken_proto::session::Stream::write), noted.
    ///
    /// # Errors
    /// As there.
    pub fn write(self, now: Instant, data: &mut (impl Buf + Clone)) -> Result<usize, SendRefusal> {
        let Stream { traced, id } = self;
        let call = traced.is_recording().then(|| Call::Write {
            stream: id.0,
            data: data.clone().copy_to_bytes(data.remaining()).written(),
        });
        let out = traced.session.stream(id).write(now, data);
        traced.note(now, call, Some(&out));
        out
    }
}

/// As [`Session::reconnect`] gives it, with each call noted.
pub struct Reconnect<'a> {
    pub(crate) traced: &'a mut Traced,
}

impl Reconnect<'_> {
    /// [`preserve`](unbroken_proto::session::Reconnect::preserve); the state is not written down.
    ///
    /// # Errors
    /// As there.
    pub fn preserve(self, now: Instant, state: Bytes) -> Result<(), PreservedTooLarge> {
        self.traced.unrecorded(now, "preserve").reconnect().preserve(now, state)
    }

    /// [`set_backoff`](unbroken_proto::session::Reconnect::set_backoff); the policy is not written down.
    ///
    /// # Errors
    /// As there.
    pub fn set_backoff(self, now: Instant, backoff: Backoff) -> Result<(), ConfigError> {
        self.traced
            .unrecorded(now, "set_backoff")
            .reconnect()
            .set_backoff(now, backoff)
    }

    /// [`set_strategies`](unbroken_proto::session::Reconnect::set_strategies); the table is not written down.
    pub fn set_strategies(self, now: Instant, strategies: Strategies) {
        self.traced
            .unrecorded(now, "set_strategies")
            .reconnect()
            .set_strategies(now, strategies);
    }
}

impl Debug for Traced {
    /// The session, without what is recorded of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traced")
            .field("session", &self.session)
            .field("recording", &self.is_recording())
            .finish_non_exhaustive()
    }
}

impl Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stream").field(&self.id).finish()
    }
}

impl Debug for Reconnect<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reconnect").field(&self.traced.reconnecting()).finish()
    }
}
