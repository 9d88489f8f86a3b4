//! Closing, the registry's commands, and the one function through which every session ends.

use alloc::vec::Vec;

use alloc::boxed::Box;

use bytes::Bytes;

use super::closing::{Closing, Finish};
use super::machine::Session;
use super::reconnecting::Decision;
use crate::accept::{Over, Report, SessionCommand, Status, Tombstone};
use crate::durable::{Mark, Op};
use crate::error::CodeTooLarge;
use crate::event::{Closer, EndReason, Ended, Event};
use crate::id::Side;
use crate::limits::check_code;
use crate::liveness::Health;
use crate::reconnect::{Cause, Outcome};
use crate::stream::Queued;
use crate::time::{Duration, Instant};
use crate::trace;
use crate::wire::frame::{End, EndCode, Frame, MAX_ALTERNATE};

impl Session {
    /// Closes the session gracefully, behind what is queued; see [`SessionConfig::linger`](crate::SessionConfig::linger) for how
    /// long that may take. `reason` is cut to 1,024 bytes. [`Event::Ended`] tells how it went.
    ///
    /// A session that is not established yet lingers too, for what is queued to be delivered; with nothing
    /// queued it ends at once. Who does not want to wait calls [`abort`](Self::abort).
    ///
    /// # Errors
    /// The code is larger than [`MAX_CODE`](crate::config::MAX_CODE); the session goes on.
    pub fn close(&mut self, now: Instant, code: u64, reason: Bytes) -> Result<(), CodeTooLarge> {
        check_code(code)?;
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        self.begin_close(now, code, reason);
        self.settle(now);
        Ok(())
    }

    /// Ends the session now. The peer is told if a connection is up; the fates are given as far as they are known. In a durable session the event
    /// comes once that is kept.
    pub fn abort(&mut self, now: Instant) {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        self.conclude(now, Finish::telling(EndCode::Aborted, EndReason::Aborted));
        self.settle(now);
    }

    /// A planned swap. The client comes to want a second connection and moves to it once it has
    /// proven itself. The server asks the client to do so `within` that time, at `alternate` if not
    /// empty (one over 1,024 bytes is left out).
    ///
    /// Waits by itself while an earlier swap settles. Asked for while one is under way, whose new connection has
    /// not attached yet, it is that same one, wherever it goes: who wants another place then asks again after
    /// [`Event::Attached`].
    pub fn migrate(&mut self, now: Instant, within: Duration, alternate: Bytes) {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        self.begin_migration(now, within, alternate);
        self.settle(now);
    }

    /// Carries out what the registry ordered (server). Harmless when it comes late or twice.
    ///
    /// # Errors
    /// The code of a close is too large; the session goes on. The registry hands out no such command.
    pub fn handle_command(&mut self, now: Instant, command: SessionCommand) -> Result<(), CodeTooLarge> {
        command.check()?;
        let now = self.latest.advance(now);
        match command {
            SessionCommand::Close { code, reason } => self.begin_close(now, code, reason),
            SessionCommand::Abort => self.conclude(now, Finish::telling(EndCode::Aborted, EndReason::Aborted)),
            SessionCommand::Leave { within, alternate } => self.begin_migration(now, within, alternate),
            SessionCommand::Lifetime(lifetime) => self.limit_absence(lifetime),
            SessionCommand::Replace => {
                self.conclude(now, Finish::telling(EndCode::Replaced, EndReason::Replaced));
            }
            SessionCommand::Evict if self.absence.is_detached() => {
                self.conclude(now, Finish::silent(EndReason::Evicted));
            }
            SessionCommand::Evict => {}
        }
        self.settle(now);
        Ok(())
    }

    /// From now on this end lets the session be detached for `lifetime` (1 ms to 365 days), the present
    /// time without a connection included, whatever was agreed in the handshake. The peer's own limit
    /// stays what it was: to live longer, both hosts have to say so.
    pub fn set_detached_lifetime(&mut self, now: Instant, lifetime: Duration) {
        self.limit_absence(lifetime);
        self.settle(now);
    }

    fn limit_absence(&mut self, lifetime: Duration) {
        self.absence.limit(lifetime);
        self.ledger.note(|| Op::Lifetime(lifetime));
    }

    fn begin_close(&mut self, now: Instant, code: u64, reason: Bytes) {
        let early = self.counters.stats.attaches == 0 && !self.closing.has_begun();
        if self.is_ended() || !self.closing.begin(now, code, reason, self.config.linger) {
            return;
        }
        let words = self.closing.last_words();
        if let Some((code, reason)) = words {
            self.ledger.note(|| Op::Closing { code, reason });
        }
        self.ledger.streams.close_for_sending();
        let idle = self.side == Side::Server || self.ledger.streams.queue_empty();
        if early && idle {
            // There never was a connection over which the peer could be told.
            let reason = self.closing.reason().unwrap_or(EndReason::Aborted);
            self.end(now, reason, None);
            return;
        }
        self.plan_close(now);
        self.events.push(Event::Closing { by: Closer::Local });
    }

    pub(super) fn plan_close(&mut self, now: Instant) {
        self.plan(now, |reconnecting, at| {
            reconnecting.plan_close(at);
            Decision::GoOn
        });
    }

    fn begin_migration(&mut self, now: Instant, within: Duration, alternate: Bytes) {
        if self.is_ended() {
            return;
        }
        match self.side {
            Side::Client => {
                self.probe_for_swap(now);
                self.reconnecting.want_migration(Cause::Local, alternate);
            }
            Side::Server => {
                if let Some(current) = &mut self.connections.current {
                    let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX >> 2);
                    // Part of an address would lead to the wrong place.
                    let alternate = if alternate.len() > MAX_ALTERNATE {
                        Bytes::new()
                    } else {
                        alternate
                    };
                    current.go_away = Some((within.min(u64::MAX >> 2), alternate));
                }
            }
        }
    }

    /// No frame can be numbered any more.
    pub(super) fn end_if_exhausted(&mut self, now: Instant) {
        if self.ledger.is_exhausted() {
            self.conclude(now, Finish::telling(EndCode::Aborted, EndReason::Exhausted));
        }
    }

    /// What is owed was sent again and again, or long ago, and the peer never acknowledged it.
    pub(super) fn end_stuck(&mut self, now: Instant) {
        self.conclude(now, Finish::telling(EndCode::Aborted, EndReason::Stuck));
    }

    /// Tells the peer, if there is a connection to do so, and ends.
    pub(super) fn conclude(&mut self, now: Instant, finish: Finish) {
        if self.is_ended() {
            return;
        }
        self.on_unanswered();
        let heard = self.connections.current.take().filter(|current| !current.abandoned);
        if let (Some(code), Some(current)) = (finish.say, heard) {
            // It is said once all below is kept.
            let position = self.ledger.standing();
            let mut frames = Vec::new();
            if current.silent {
                frames.push(Frame::From {
                    position: current.cursor,
                });
            }
            if self.closing.peer_closed() {
                frames.push(Frame::Closed { position });
            }
            let mut end = End::new(code, Some(position));
            end.reason = finish.words;
            frames.push(Frame::End(end.into()));
            let after = self.ledger.mark();
            self.connections.set_parting(current.epoch, current.keys, frames, after);
        }
        self.end(now, finish.reason, finish.peer_position);
    }

    /// Ends the session; every end comes here. `peer_position`: all of ours below it arrived and nothing else ever will.
    pub(super) fn end(&mut self, now: Instant, reason: EndReason, peer_position: Option<u64>) {
        if self.is_ended() {
            return;
        }
        let believable = self.closing.believable(&self.ledger);
        let (acked, next) = (self.ledger.acked(), self.ledger.next());
        // Who contradicts itself is not believed in what it said before, either.
        let known = peer_position
            .or(self.closing.peer_position(&self.ledger))
            .filter(|p| reason != EndReason::StateLost && (acked..=next).contains(p));
        let goes_on = matches!(
            reason,
            EndReason::StorageFailed | EndReason::Superseded | EndReason::Moved
        );
        let journal = self.ledger.journal.as_ref();
        let is_kept = journal.is_some_and(|journal| journal.has_snapshot());
        // The peer is told that it arrived, once it is kept: then it can be read here, too.
        if goes_on || !is_kept {
            self.forget_news();
        }
        let queued = match goes_on {
            true => Queued::Kept,
            false => Queued::HandedBack,
        };
        let fates = self.ledger.streams.fates(&mut self.ledger.outbox, known, queued);
        self.ledger.streams.end();
        self.on_unanswered();
        self.connections.close_all();
        self.identity.withdraw();
        let outcome = match reason {
            // The attempt at a fresh session goes on in that session.
            EndReason::Fresh { .. } => None,
            EndReason::Unauthorized => Some(Outcome::Failed(Cause::Authentication)),
            _ => Some(Outcome::Abandoned),
        };
        self.reconnecting.end(now, outcome, &mut self.events);
        self.absence.end(now);
        let over = match reason {
            EndReason::Replaced => Some(Over::Replaced),
            _ if goes_on => Some(Over::Elsewhere),
            _ => self
                .closing
                .last_words()
                .map(|(code, reason)| Over::Closed { code, reason }),
        };
        self.closing = Closing::default();
        trace::ended(&reason);
        self.reporting.on_end(reason.clone(), believable, over);
        let mut after = Mark::default();
        if is_kept && !goes_on && peer_position.is_none() {
            // A process that was taken for dead, and has lived on, learns by this that the end is not its to tell. (The peer's CLOSE, which it may have
            // long since, does not say so.)
            self.ledger.note(|| Op::Acked(acked));
            after = self.ledger.mark();
        }
        self.events.end(Ended { reason, fates }, after);
    }

    /// Tells the host how the session fares, if that changed.
    pub(super) fn show_health(&mut self, now: Instant) {
        let health = self.health(now);
        if self.reporting.on_health(now, health) {
            self.events.push(Event::Health(health));
            if health == Health::Idle {
                self.ledger.streams.shrink_windows();
            }
        }
    }

    /// What the registry is to know.
    pub(super) fn report(&self) -> Option<Report> {
        let ticket = self.identity.ticket.as_ref().filter(|_| self.side == Side::Server)?;
        let status = if self.is_ended() {
            // What it leaves behind is said once it is kept.
            let kept = self.ledger.has_kept(self.ledger.mark());
            kept.then_some(())?;
            Status::Ended(self.tombstone())
        } else if self.connections.current.is_some() {
            Status::Attached
        } else if self.counters.stats.attaches == 0 {
            Status::Provisional
        } else {
            Status::Detached
        };
        Some(Report {
            id: ticket.id,
            status,
            health: self.reporting.health(),
            bytes: self.held_bytes(),
            reason: self.reporting.end().cloned(),
        })
    }

    /// What remains of a session that somebody may still ask for, if it is over.
    pub(super) fn tombstone(&self) -> Option<Tombstone> {
        // Where it may go on elsewhere it may be confirmed there.
        let was_confirmed = self.counters.stats.attaches > 0 || self.reporting.over() == Some(&Over::Elsewhere);
        let ticket = self
            .identity
            .ticket
            .as_ref()
            .filter(|_| was_confirmed && self.ledger.has_kept(self.ledger.mark()))?;
        let believable = self.reporting.believable()?.clone();
        let secrets = core::iter::once(&ticket.secret).chain(ticket.candidate.as_ref());
        Some(Tombstone {
            id: ticket.id,
            position: self.ledger.standing(),
            over: self.reporting.over().cloned().map(Box::new),
            is_final: self.reporting.end() != Some(&EndReason::StateLost),
            believable,
            counter: ticket.counter,
            verifiers: secrets.map(|secret| secret.verifier()).collect(),
        })
    }
}
