//! Close, every way a session ends, and the fate of every message.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Session;
use super::ledger::PeerClose;
use crate::config::MAX_REASON;
use crate::error::ProtocolError;
use crate::event::{Closer, EndReason, Ended, Event};
use crate::id::Side;
use crate::reconnect::{Cause, Outcome};
use crate::time::{Instant, earliest};
use crate::trace;
use crate::wire::frame::{Close, End, EndCode, Frame};

/// How far a close has come, from either end.
#[derive(Default)]
pub(super) struct Closing {
    local: Option<LocalClose>,
    peer: Option<Close>,
    /// The end that did not close waits no longer than this for the closer's END.
    patience: Option<Instant>,
}

struct LocalClose {
    code: u64,
    reason: Bytes,
    /// Queued data may delay CLOSE until here.
    linger: Instant,
    /// The peer's answer may take until here.
    last: Instant,
    overdue: bool,
    /// The position of our CLOSE.
    committed: Option<u64>,
}

/// How a packet, or a deadline, ends the session.
#[derive(Debug)]
pub(super) struct Finish {
    pub(super) reason: EndReason,
    /// What the peer is told.
    pub(super) say: Option<EndCode>,
    /// All of ours below it arrived, and nothing else ever will.
    pub(super) peer_position: Option<u64>,
}

impl Closing {
    pub(super) fn has_committed(&self) -> bool {
        self.local.as_ref().is_some_and(|local| local.committed.is_some())
    }

    pub(super) fn peer_closed(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether every new connection has to repeat CLOSED.
    pub(super) fn owes_closed(&self) -> bool {
        self.peer.is_some()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let local = self
            .local
            .as_ref()
            // Once the peer has closed too, only its own need of us is waited for.
            .filter(|_| self.peer.is_none())
            .map(|local| if local.overdue { local.last } else { local.linger });
        earliest(local, self.patience)
    }

    /// Why the session ends if it ends now, if a close is under way.
    fn reason(&self) -> Option<EndReason> {
        let (code, reason, by) = match (&self.local, &self.peer) {
            (Some(local), Some(_)) => (local.code, local.reason.clone(), Closer::Both),
            (Some(local), None) => (local.code, local.reason.clone(), Closer::Local),
            (None, Some(peer)) => (peer.code, peer.reason.clone(), Closer::Peer),
            (None, None) => return None,
        };
        Some(EndReason::Closed { code, reason, by })
    }

    /// Which of our frames the peer said it has, once and for all.
    fn peer_position(&self) -> Option<u64> {
        self.peer.as_ref().map(|close| close.position)
    }
}

impl Session {
    pub(super) fn begin_close(&mut self, now: Instant, code: u64, mut reason: Bytes) {
        if self.state.is_ended() || self.closing.local.is_some() {
            return;
        }
        reason.truncate(MAX_REASON);
        let code = code.min(crate::wire::varint::MAX);
        self.ledger.streams.close_for_sending();
        let linger = now + self.config.linger;
        let last = linger + self.config.linger;
        self.closing.local = Some(LocalClose {
            code,
            reason,
            linger,
            last,
            overdue: false,
            committed: None,
        });
        let early = self.state == super::state::State::Connecting;
        let idle = self.side == Side::Server || self.ledger.streams.queue_empty();
        if early && idle {
            // Nobody was ever there to tell.
            let reason = self.closing.reason().unwrap_or(EndReason::Aborted);
            self.end(now, reason, None);
            return;
        }
        self.state = self.state.closing();
        self.plan_close(now);
        self.push_event(Event::Closing { by: Closer::Local });
    }

    /// The CLOSE to commit now: behind what is queued, or at once when that took too long.
    pub(super) fn close_frame(&self, _now: Instant) -> Option<Close> {
        let local = self.closing.local.as_ref().filter(|local| local.committed.is_none())?;
        (local.overdue || self.ledger.streams.queue_empty()).then(|| Close {
            code: local.code,
            reason: local.reason.clone(),
            position: self.ledger.stated(),
        })
    }

    /// Our CLOSE was packed. Whether the peer's was held and counts now, so that CLOSED is owed.
    pub(super) fn on_close_committed(&mut self, now: Instant, position: u64) -> bool {
        if let Some(local) = &mut self.closing.local {
            local.committed = Some(position);
        }
        let held = self.ledger.freeze();
        let owed = held.is_some();
        held.into_iter().for_each(|held| self.on_close(now, held));
        owed
    }

    /// Why a session ended whose peer is over at `position`, if a close is the reason: the peer closed, or
    /// it had our CLOSE.
    pub(super) fn closed_before(&self, position: u64) -> Option<EndReason> {
        let local = self.closing.local.as_ref().and_then(|local| local.committed);
        let known = self.closing.peer_closed() || local.is_some_and(|close| close < position);
        self.closing.reason().filter(|_| known)
    }

    /// The peer's CLOSE took effect: our truth is complete, its is once it reads CLOSED.
    pub(super) fn on_close(&mut self, now: Instant, close: PeerClose) {
        let close = Close {
            reason: Bytes::copy_from_slice(&close.close.reason),
            ..close.close
        };
        if self.closing.peer.is_none() {
            self.push_event(Event::Closing { by: Closer::Peer });
        }
        self.closing.peer.get_or_insert(close);
        self.closing.patience.get_or_insert(now + self.config.linger);
        self.ledger.streams.close_for_sending();
        self.state = self.state.closing();
        if let Some(live) = &mut self.links.current {
            live.closed_due = true;
        }
    }

    /// The answer to our CLOSE: our truth is complete.
    pub(super) fn on_closed(&mut self, position: u64) -> Result<Finish, ProtocolError> {
        if !self.closing.has_committed() {
            return Err(ProtocolError::Misplaced);
        }
        if position > self.ledger.next() || position < self.ledger.acked() {
            return Err(ProtocolError::StateLost);
        }
        let reason = self.closing.reason().unwrap_or(EndReason::Aborted);
        Ok(Finish {
            reason,
            say: Some(EndCode::Done),
            peer_position: Some(position),
        })
    }

    pub(super) fn on_end(&mut self, end: &End) -> Finish {
        let sane = |p: &u64| *p <= self.ledger.next() && *p >= self.ledger.acked();
        let mut peer_position = end.position.filter(sane);
        let reason = match end.code {
            EndCode::StateLost => {
                // Its position is information only.
                peer_position = None;
                EndReason::StateLost
            }
            EndCode::ProtocolError => EndReason::ProtocolError,
            EndCode::Unauthorized | EndCode::RefreshCredentials => EndReason::Unauthorized,
            EndCode::Busy | EndCode::RetryLater => EndReason::Busy,
            EndCode::Aborted => EndReason::AbortedByPeer,
            EndCode::Done => self.closing.reason().unwrap_or(EndReason::AbortedByPeer),
        };
        Finish {
            reason,
            say: None,
            peer_position,
        }
    }

    pub(super) fn end_by_host(&mut self, now: Instant) {
        self.conclude(
            now,
            Finish {
                reason: EndReason::Aborted,
                say: Some(EndCode::Aborted),
                peer_position: None,
            },
        );
    }

    /// No frame can be numbered any more.
    pub(super) fn end_if_exhausted(&mut self, now: Instant) {
        if self.ledger.is_exhausted() {
            let finish = Finish {
                reason: EndReason::Exhausted,
                say: Some(EndCode::Aborted),
                peer_position: None,
            };
            self.conclude(now, finish);
        }
    }

    /// What is owed was sent again and again, or long ago, and the peer never acknowledged it.
    pub(super) fn end_stuck(&mut self, now: Instant) {
        let finish = Finish {
            reason: EndReason::Stuck,
            say: Some(EndCode::Aborted),
            peer_position: None,
        };
        self.conclude(now, finish);
    }

    /// A closing deadline has come.
    pub(super) fn on_closing_timeout(&mut self, now: Instant) {
        let attached = self.links.current.is_some();
        if self.closing.patience.is_some_and(|until| now >= until) {
            let reason = self.closing.reason().unwrap_or(EndReason::LingerExpired);
            self.conclude(
                now,
                Finish {
                    reason,
                    say: Some(EndCode::Done),
                    peer_position: None,
                },
            );
            return;
        }
        let unanswered = self.closing.peer.is_none();
        let Some(local) = self.closing.local.as_mut().filter(|_| unanswered) else {
            return;
        };
        if now < local.linger {
            return;
        }
        local.overdue = true;
        if !attached || now >= local.last {
            let finish = Finish {
                reason: EndReason::LingerExpired,
                say: Some(EndCode::Aborted),
                peer_position: None,
            };
            self.conclude(now, finish);
        }
    }

    /// Tells the peer, if there is a connection to do so, and ends.
    pub(super) fn conclude(&mut self, now: Instant, finish: Finish) {
        if self.state.is_ended() {
            return;
        }
        if let (Some(code), Some(live)) = (finish.say, self.links.current.take()) {
            let position = self.ledger.stated();
            let mut frames = Vec::new();
            if live.silent {
                frames.push(Frame::From { position: live.cursor });
            }
            if self.closing.peer_closed() {
                frames.push(Frame::Closed { position });
            }
            frames.push(Frame::End(End::new(code, Some(position))));
            self.links.set_parting(live.epoch, live.keys, frames);
        }
        self.end(now, finish.reason, finish.peer_position);
    }

    /// The one door out. `peer_position`: all of ours below it arrived and nothing else ever will.
    pub(super) fn end(&mut self, now: Instant, reason: EndReason, peer_position: Option<u64>) {
        if self.state.is_ended() {
            return;
        }
        self.state = super::state::State::Ended;
        self.expired = reason == EndReason::Expired;
        self.deadlines.clear();
        let known = peer_position.or(self.closing.peer_position());
        let (acked, next) = (self.ledger.acked(), self.ledger.next());
        let known = known.filter(|p| (acked..=next).contains(p));
        let fates = self.ledger.streams.fates(&mut self.ledger.outbox, known);
        self.ledger.streams.end();
        self.links.close_all();
        // An attempt at a fresh session goes on in that session.
        if !matches!(reason, EndReason::Fresh { .. }) {
            let outcome = match reason {
                EndReason::Unauthorized => Outcome::Failed(Cause::Authentication),
                _ => Outcome::Abandoned,
            };
            self.end_attempt(now, outcome);
        }
        self.retry = self.dialing.take().map(|dialing| dialing.retry).unwrap_or_default();
        self.detached_at = None;
        self.closing = Closing::default();
        trace::ended(&reason);
        self.end_reason = Some(Box::new(reason.clone()));
        self.ended = Some(Ended { reason, fates });
        self.report_due = true;
    }
}
