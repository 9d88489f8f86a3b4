//! A session out of what was kept of it: its last snapshot, then what was done since, done again.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;

use super::identity::{NewTicket, Peer};
use super::machine::Session;
use super::reconnecting::Reconnecting;
use super::remains::OVER;
use super::saved::Preamble;
use crate::config::{ClientConfig, Seed, SessionConfig};
use crate::durable::op::{Established, Op};
use crate::durable::{Journal, RestoreError, Restored, read};
use crate::id::Side;
use crate::reconnect::IntentKind;
use crate::reliability::Committed;
use crate::rng::Rng;
use crate::security::{AtRest, ResumeSecrets};
use crate::stream::StreamOptions;
use crate::time::{Duration, Instant};
use crate::wire::frame::Frame;

/// A record does not follow from those before.
struct Inconsistent;

/// When a record may have been written, as far as the records before tell.
#[derive(Clone, Copy)]
struct Elapsed {
    /// From the time of an operation on, at most, to the last record.
    until_last: Duration,
    /// From then on to now.
    away: Option<Duration>,
}

impl Elapsed {
    fn age(self, then: Option<Duration>) -> Option<Duration> {
        Some(then?.saturating_add(self.until_last).saturating_add(self.away?))
    }
}

impl Session {
    /// A dialling session that goes on where a process before left it. `journal`: what was kept, in order, as
    /// [`Record::bytes`](crate::durable::Record::bytes): the newest snapshot and the records behind it, in pieces that hold whole records, or
    /// all in one. `away`: how long ago the last of it was written, if that is known; what the server says about a session that it does
    /// not know can be held against that.
    ///
    /// What the application had read and not [dealt with](crate::session::Stream::consumed) is handed out again. Its streams are those of
    /// [`streams`](Self::streams). The seed must be a fresh one.
    ///
    /// # Errors
    /// Nothing is kept, it is damaged, or it is not that of such a session.
    pub fn restore(
        config: ClientConfig,
        journal: &[Bytes],
        away: Option<Duration>,
        seed: Seed,
        now: Instant,
    ) -> Result<Session, RestoreError> {
        config.validate().map_err(|_| RestoreError::Config)?;
        let rng = Rng::new(&seed);
        let at_rest = config.session.durable.clone().ok_or(RestoreError::Config)?;
        let session = Session::restored(Side::Client, &config.session, (&at_rest, journal), (now, away), rng)?;
        Ok(session.begin_dialling(config, now))
    }

    pub(super) fn begin_dialling(mut self, config: ClientConfig, now: Instant) -> Session {
        let kind = match self.identity.ticket {
            Some(_) => IntentKind::Resume,
            None => IntentKind::Establish,
        };
        self.reconnecting = Reconnecting::begin(now, config, kind, &mut self.events);
        if self.closing.has_begun() {
            self.plan_close(now);
        }
        self.settle(now);
        self
    }

    /// The accepting side's. In `secrets` the registry sees under which of them it takes a RESUME.
    pub(crate) fn restored_server(
        config: &SessionConfig,
        secrets: Arc<ResumeSecrets>,
        journal: &[Bytes],
        (now, away): (Instant, Option<Duration>),
        rng: Rng,
    ) -> Result<Session, RestoreError> {
        let at_rest = config.durable.clone().ok_or(RestoreError::Config)?;
        let mut session = Session::restored(Side::Server, config, (&at_rest, journal), (now, away), rng)?;
        session.identity.publish_in(secrets);
        if session.counters.stats.attaches == 0 {
            // Its client may have FINAL, and come back whenever it may come back to a session.
            let wait = session.lifetime().max(session.config.handshake_timeout);
            session.identity.provisional_until = Some(now + wait);
        }
        session.reporting.set_due();
        session.settle(now);
        Ok(session)
    }

    pub(super) fn restored(
        side: Side,
        config: &SessionConfig,
        (at_rest, pieces): (&AtRest, &[Bytes]),
        (now, away): (Instant, Option<Duration>),
        mut rng: Rng,
    ) -> Result<Session, RestoreError> {
        let restored = read(at_rest, pieces)?;
        let number = restored.snapshot.number;
        let mut state = restored.snapshot.bytes.clone();
        if state.first() == Some(&OVER) {
            return Err(RestoreError::Over);
        }
        let preamble = Preamble::read(&mut state).map_err(|_| RestoreError::Inconsistent { number })?;
        if preamble.side != Session::side_byte(side) {
            return Err(RestoreError::Side);
        }
        let config = preamble.config(config);
        config.validate().map_err(|_| RestoreError::Config)?;
        let begin = |at_rest| {
            Box::new(Journal::new(
                at_rest,
                Some(restored.name),
                restored.last().number,
                &mut rng,
            ))
        };
        let journal = config.durable.as_ref().map(begin);
        let mut session = Session::new(side, Arc::new(config), rng);
        // Nothing of what follows is news to whoever keeps it.
        session.ledger.journal = None;
        session.latest.advance(now);
        let registered = session
            .load(now, &mut state)
            .map_err(|_| RestoreError::Inconsistent { number })?;
        session.age(now, Session::elapsed(&restored, restored.snapshot.at, away));
        session.replay(now, &restored, away)?;
        session.set_going(now, journal);
        session.register(registered);
        Ok(session)
    }

    fn elapsed(restored: &Restored, since: Instant, away: Option<Duration>) -> Elapsed {
        Elapsed {
            until_last: restored.last().at.saturating_since(since),
            away,
        }
    }

    fn replay(&mut self, now: Instant, restored: &Restored, away: Option<Duration>) -> Result<(), RestoreError> {
        self.ledger.streams.lift_limits();
        let mut before = restored.snapshot.at;
        for record in &restored.records {
            let number = record.number;
            let elapsed = Session::elapsed(restored, before, away);
            let mut rest = record.bytes.clone();
            while !rest.is_empty() {
                let op = Op::read(&mut rest).map_err(|_| RestoreError::Inconsistent { number })?;
                self.apply(now, op, elapsed)
                    .map_err(|_| RestoreError::Inconsistent { number })?;
            }
            before = record.at;
        }
        self.ledger.streams.restore_limits(&self.config);
        Ok(())
    }

    fn set_going(&mut self, now: Instant, mut journal: Option<Box<Journal>>) {
        if let Some(journal) = &mut journal {
            journal.begin_at(self.positions());
        }
        self.ledger.journal = journal;
        self.ledger.on_restored();
        self.ledger.streams.set_going();
        if let Some(ticket) = &self.identity.ticket {
            self.span.named(ticket.id);
        }
        if self.counters.stats.attaches > 0 {
            self.absence.begin(now);
        }
    }

    /// The session is older than what it says of itself.
    fn age(&mut self, now: Instant, elapsed: Elapsed) {
        if let Some(ticket) = &mut self.identity.ticket {
            let age = elapsed.age(ticket.age(now));
            ticket.set_age(now, age);
        }
    }

    /// Does an operation again.
    fn apply(&mut self, now: Instant, op: Op, elapsed: Elapsed) -> Result<(), Inconsistent> {
        match op {
            Op::Accepted(frame) => self.accept_again(now, frame)?,
            Op::CommittedData { .. } | Op::Committed(_) => self.commit_again(op)?,
            Op::Acked(position) => {
                if position > self.ledger.next() {
                    return Err(Inconsistent);
                }
                self.ledger.acknowledge(position);
            }
            Op::Closing { code, reason } => {
                let reason = Bytes::copy_from_slice(&reason);
                self.closing.begin(now, code, reason, self.config.linger);
                self.ledger.streams.close_for_sending();
            }
            Op::Lifetime(lifetime) => self.absence.limit(lifetime),
            Op::Established(established) => {
                match self.identity.ticket {
                    // A server that never had the session took it over.
                    Some(_) => drop(self.fits(&established.parameters)),
                    None => self.ledger.streams.set_peer(&established.parameters),
                }
                self.begin_identity(now, established);
                self.age(now, elapsed);
                self.counters.stats.attaches += 1;
            }
            Op::Counter(_) | Op::Renewed(_) | Op::Candidate { .. } | Op::Confirmed => self.identify_again(op),
            op => self.call_again(op)?,
        }
        Ok(())
    }

    fn accept_again(&mut self, now: Instant, frame: Frame) -> Result<(), Inconsistent> {
        let close = self.ledger.accept_again(frame).map_err(|_| Inconsistent)?;
        if let Some(close) = close {
            self.closing.on_peer_close(now, close, self.config.linger);
            self.ledger.streams.close_for_sending();
        }
        Ok(())
    }

    fn commit_again(&mut self, op: Op) -> Result<(), Inconsistent> {
        let streams = &mut self.ledger.streams;
        let committed = match op {
            Op::CommittedData { stream, len } => streams.recommit_data(stream, len),
            Op::Committed(frame @ Frame::Close(_)) => {
                let position = self.ledger.commit(Committed::control(frame));
                self.closing.on_committed(position);
                // Nothing ahead of its turn was kept, so that no close of the peer's is among it.
                drop(self.ledger.freeze());
                return if self.closing.has_committed() {
                    Ok(())
                } else {
                    Err(Inconsistent)
                };
            }
            Op::Committed(frame) => streams.recommit(frame),
            _ => None,
        };
        self.ledger.commit(committed.ok_or(Inconsistent)?);
        Ok(())
    }

    fn identify_again(&mut self, op: Op) {
        if let Op::Renewed(_) | Op::Confirmed = op {
            self.counters.stats.attaches += 1;
        }
        let Some(ticket) = &mut self.identity.ticket else {
            return;
        };
        match op {
            Op::Counter(counter) => ticket.counter = counter,
            Op::Renewed(secret) => ticket.secret = secret,
            Op::Candidate {
                counter,
                secret,
                promoted,
            } => {
                if promoted {
                    ticket.promote();
                }
                ticket.counter = counter;
                ticket.candidate = Some(secret);
            }
            Op::Confirmed => drop(ticket.promote()),
            _ => {}
        }
    }

    /// The application's calls.
    fn call_again(&mut self, op: Op) -> Result<(), Inconsistent> {
        let streams = &mut self.ledger.streams;
        let done = match op {
            Op::Opened {
                priority,
                fragment,
                label,
            } => {
                let options = StreamOptions {
                    label: Bytes::copy_from_slice(&label),
                    priority,
                    fragment_size: Some(fragment),
                };
                streams.open(options).is_ok()
            }
            Op::Taken => streams.accept().is_some(),
            Op::Sent { stream, payload } => streams.requeue(stream, payload).is_some(),
            Op::Written { stream, payload } => streams.rewrite(stream, payload).is_some(),
            Op::Finished(stream) => streams.finish(stream).is_ok(),
            Op::Reset { stream, code } => streams.reset(stream, code).is_ok(),
            Op::Stopped { stream, code } => streams.stop(stream, code).is_ok(),
            Op::Consumed { stream, place } => {
                streams.reconsume(stream, place);
                true
            }
            Op::Over(stream) => {
                streams.reread_end(stream);
                true
            }
            _ => false,
        };
        done.then_some(()).ok_or(Inconsistent)
    }

    pub(super) fn begin_identity(&mut self, now: Instant, established: Established) {
        let ticket = NewTicket {
            id: established.id,
            secret: established.secret,
            incarnation: established.incarnation,
        };
        let peer = Peer {
            key: established.peer_key,
            parameters: established.parameters,
        };
        self.identity.begin(ticket, peer);
        if let Some(ticket) = &mut self.identity.ticket {
            ticket.set_age(now, established.age);
        }
    }
}
