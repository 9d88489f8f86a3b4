//! Resume, confirmation, and how one connection gives way to another (PROTOCOL.md, "Which bytes go
//! where after an attach").

use alloc::boxed::Box;

use bytes::Bytes;

use super::Session;
use super::connection::{Attach, Candidate, Live, PingState, Rate, Stage, SwapProgress};
use super::links::Draining;
use crate::error::AttachError;
use crate::event::{EndReason, Event, Swap};
use crate::id::{Carrier, Epoch, Side};
use crate::liveness::Liveness;
use crate::reconnect::{Cause, IntentKind, Outcome};
use crate::reliability::{AckPolicy, Rtt};
use crate::security::{ClientResume, Keys, ResumptionSecret};
use crate::time::{Duration, Instant};
use crate::wire::frame::{End, EndCode, Frame, MAX_ALTERNATE};

impl Session {
    pub(super) fn begin_attach(&mut self, now: Instant, carrier: Carrier) -> Result<Epoch, AttachError> {
        if self.state.is_ended() {
            return Err(AttachError::Ended);
        }
        let free = self.links.candidate.is_none();
        let Some(dialing) = self.dialing.as_mut().filter(|_| free) else {
            return Err(AttachError::NotWanted);
        };
        let Some(deadline) = dialing.take_dial(now) else {
            return Err(AttachError::NotWanted);
        };
        // What a full handshake states holds only of a session that has no connection.
        let in_handshake = dialing.asks_in_handshake() && self.links.current.is_none();
        let acked = self.ledger.acked();
        let epoch = self.links.next_epoch();
        self.links.candidate = match &mut self.ticket {
            Some(ticket) if !in_handshake => {
                ticket.counter += 1;
                let alive = self.links.current.is_some();
                let position = self.ledger.stated();
                let (resume, packet) = ClientResume::new(
                    &ticket.secret,
                    ticket.id,
                    ticket.counter,
                    position,
                    alive,
                    &mut self.rng,
                );
                let stage = Stage::Resuming {
                    resume: Box::new(resume),
                    sent: now,
                    alive,
                    acked,
                };
                Some(Candidate {
                    epoch,
                    outgoing: Some(packet),
                    deadline,
                    stage,
                })
            }
            _ => self.hello(epoch, carrier, deadline),
        };
        Ok(epoch)
    }

    /// Client: the server proved that it has the session.
    pub(super) fn resumed(&mut self, now: Instant, epoch: Epoch, keys: Keys, secret: ResumptionSecret, attach: Attach) {
        if let Some(ticket) = &mut self.ticket {
            ticket.secret = secret;
            ticket.attached_at = now;
        }
        self.go_live(now, epoch, keys, attach);
    }

    /// The connection carries the session from here on.
    pub(super) fn go_live(&mut self, now: Instant, epoch: Epoch, keys: Keys, attach: Attach) {
        let (acked, next) = (self.ledger.acked(), self.ledger.next());
        // A dead end has read all it ever will from us: its position can neither lie above what was
        // sent nor below what it acknowledged. A live one's may merely be old.
        let contradicts = attach.stated > next || (attach.stated < acked && !attach.may_be_old);
        if contradicts {
            let end = End::new(EndCode::StateLost, Some(self.ledger.stated()));
            self.links.set_parting(epoch, keys, alloc::vec![Frame::End(end)]);
            self.end(now, EndReason::StateLost, None);
            return;
        }
        let progress = self.ledger.acked() < attach.stated;
        self.ledger.acknowledge(attach.stated);
        let acked = self.ledger.acked();
        self.patience.on_attached(progress);
        let again = !attach.planned && acked < self.ledger.next();
        self.replays = if progress { 0 } else { self.replays + u32::from(again) };
        self.forgive_swaps();
        let old = self.links.current.take();
        let cursor = match &old {
            Some(old) if attach.planned => old.cursor.max(acked),
            _ => attach.stated.max(acked),
        };
        let mut live = self.new_live(now, epoch, keys, cursor, attach.planned);
        live.stated_by_peer = attach.stated;
        let had_connection = old.is_some();
        self.links.draining = old.filter(|_| attach.planned).map(|live| Draining {
            live,
            until: now + self.config.drain_timeout,
        });
        self.links.current = Some(Box::new(live));
        self.state = self.state.attached();
        if let Some(dialing) = &mut self.dialing {
            dialing.on_attached();
        }
        if let Some(history) = &mut self.history {
            history.on_attached(now);
        }
        self.announce_attach(now, epoch, attach, had_connection, cursor);
        // One that began meanwhile still waits for an answer of its own.
        if self.dialing.as_ref().is_none_or(|dialing| dialing.is_idle()) {
            self.end_attempt(now, Outcome::Succeeded);
        }
        if self.config.stuck.replays.is_some_and(|most| self.replays > most) {
            self.end_stuck(now);
        }
    }

    fn announce_attach(&mut self, now: Instant, epoch: Epoch, attach: Attach, had_connection: bool, cursor: u64) {
        let gap = self
            .detached_at
            .take()
            .map_or(Duration::ZERO, |since| now.saturating_since(since));
        let swap = match (self.stats.attaches == 0, attach.planned && had_connection) {
            (true, _) => Swap::First,
            (false, true) => Swap::Planned,
            (false, false) => Swap::Unplanned,
        };
        self.stats.attaches += 1;
        let replayed = self.ledger.payload_from(cursor);
        self.push_event(Event::Attached {
            epoch,
            swap,
            replayed,
            gap,
        });
    }

    fn new_live(&self, now: Instant, epoch: Epoch, keys: Keys, cursor: u64, planned: bool) -> Live {
        let peer = self.peer.as_ref().map(|peer| &peer.parameters);
        let theirs = peer.map_or(u64::MAX, |p| p.keepalive_interval);
        let interval = self.config.keepalive_interval.min(Duration::from_millis(theirs.max(1)));
        let quarter = peer.map_or(usize::MAX, |p| {
            usize::try_from(p.outbox_limit / 4).unwrap_or(usize::MAX)
        });
        let mut acks = AckPolicy::new(self.config.ack_delay, quarter);
        acks.at_once();
        Live {
            epoch,
            keys,
            cursor,
            from_due: true,
            silent: true,
            detour: None,
            resync_answered: false,
            arriving: None,
            swap: SwapProgress {
                planned,
                own_from: cursor,
                peer_from: None,
                ack_seen: false,
                resync_said: false,
            },
            acks,
            acked_to_peer: None,
            pong: None,
            ping: PingState::default(),
            go_away: None,
            closed_due: self.closing.owes_closed(),
            resync_due: false,
            liveness: Liveness::new(now, interval, self.config.keepalive_timeout, self.patience),
            rtt: Rtt::default(),
            timed: None,
            stated_by_peer: 0,
            rate: Rate::default(),
            busy_at: now,
            unacked_since: None,
            progress: false,
            stable_at: self.dialing.as_ref().map(|dialing| now + dialing.stable_after()),
        }
    }

    /// Whether a planned swap may begin: the one before it is settled and nothing is being replayed.
    pub(super) fn may_swap(&self) -> bool {
        let (expected, acked, next) = (self.ledger.expected(), self.ledger.acked(), self.ledger.next());
        self.links.draining.is_none()
            && self
                .links
                .current()
                .is_some_and(|live| live.swap.settled(expected, acked) && live.cursor == next)
    }

    pub(super) fn begin_migration(&mut self, _now: Instant, within: Duration, alternate: Bytes) {
        if self.state.is_ended() {
            return;
        }
        match self.side {
            Side::Client => self.want_migration(Cause::Local, alternate),
            Side::Server => {
                if let Some(live) = &mut self.links.current {
                    let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX >> 2);
                    // An address that is cut is none at all.
                    let alternate = if alternate.len() > MAX_ALTERNATE {
                        Bytes::new()
                    } else {
                        alternate
                    };
                    live.go_away = Some((within.min(u64::MAX >> 2), alternate));
                }
            }
        }
    }

    /// Closes the old connection of a swap once both sides have all that it carried.
    pub(super) fn finish_swap(&mut self) {
        if self.links.draining.is_none() {
            return;
        }
        let (expected, acked) = (self.ledger.expected(), self.ledger.acked());
        let done = self
            .links
            .current()
            .is_none_or(|live| live.swap.peer_from.is_some_and(|from| expected >= from) && acked >= live.swap.own_from);
        if done {
            self.links.draining = None;
        }
    }

    /// The old connection of a swap ended early: say from where on it is missed, if it is.
    pub(super) fn lost_draining(&mut self) {
        self.links.draining = None;
        let expected = self.ledger.expected();
        if let Some(live) = &mut self.links.current {
            live.resync_if_missing(expected);
        }
    }

    /// A connection ended, for whatever reason. Ignored when its epoch is over.
    pub(super) fn drop_link(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        use super::links::Slot;
        match self.links.slot(epoch) {
            None => drop(self.links.take_parting(epoch)),
            Some(Slot::Candidate) => self.lost_candidate(now, cause),
            Some(Slot::Draining) => self.lost_draining(),
            Some(Slot::Current) => self.lost_current(now, cause),
        }
    }

    pub(super) fn lost_candidate(&mut self, now: Instant, cause: Cause) {
        self.links.candidate = None;
        match self.side {
            Side::Client => self.attempt_failed(now, cause, None),
            // A session that is not confirmed yet may still be, over another connection.
            Side::Server => {}
        }
    }

    fn lost_current(&mut self, now: Instant, cause: Cause) {
        let left = self.leave_current(now, cause);
        if left && self.dialing.is_some() && self.links.candidate.is_none() {
            self.schedule_dial(now, IntentKind::Resume, cause, None);
        }
    }

    /// The current connection is over. False: there was none.
    pub(super) fn leave_current(&mut self, now: Instant, cause: Cause) -> bool {
        self.forgive_swaps();
        let Some(live) = self.links.current.take() else {
            return false;
        };
        // What it replaced is no way on either: the next attach says `dead` and retires all.
        self.links.draining = None;
        self.patience.on_lost(live.progress, cause == Cause::Heartbeat);
        self.state = self.state.detached();
        self.detached_at = Some(now);
        self.report_due = true;
        if let Some(history) = &mut self.history {
            history.on_lost(now, cause);
        }
        self.push_event(Event::Detached { cause });
        true
    }
}
