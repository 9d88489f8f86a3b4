//! How one connection gives way to another, and how one is lost (PROTOCOL.md, "Which bytes go where after an attach").

use super::closing::Stated;
use super::connections::{ActiveConnection, Attach, ConnectionRole, Start};
use super::machine::Session;
use super::reconnecting::Decision;
use crate::durable::Mark;
use crate::error::Violation;
use crate::event::{EndReason, Event, Swap};
use crate::id::{Epoch, Side};
use crate::liveness::Liveness;
use crate::reconnect::{Cause, IntentKind, Strategy};
use crate::security::Keys;
use crate::time::{Duration, Instant};
use crate::wire::frame::{End, EndCode, Frame};

/// A few hundred bytes there and back that take longer than this may have crossed a slow line.
const LONG_HANDSHAKE: Duration = Duration::from_millis(350);

impl Session {
    /// The connection carries the session from here on.
    pub(super) fn go_live(&mut self, now: Instant, epoch: Epoch, keys: Keys, attach: Attach) {
        let acked = self.ledger.acked();
        // A peer whose old connection is dead has read all it ever will from us: its position can neither lie above
        // what was sent nor below what it acknowledged. If that connection lives, the position may merely be old.
        let stated = if attach.may_be_old {
            Stated::Overtaken
        } else {
            Stated::Present
        };
        if let Err(rule) = self.closing.judge(stated, attach.stated, &self.ledger) {
            let place = "attach";
            let end = End {
                reason: Violation { place, rule }.words(),
                ..End::new(EndCode::StateLost, Some(self.ledger.stated()))
            };
            let frames = alloc::vec![Frame::End(end.into())];
            self.connections.set_parting(epoch, keys, frames, Mark::default());
            self.end(now, EndReason::StateLost, None);
            return;
        }
        if !attach.planned && !self.closing.peer_closed() {
            self.ledger.forget_ahead();
        }
        let progress = acked < attach.stated;
        self.ledger.acknowledge(attach.stated);
        let acked = self.ledger.acked();
        let again = !attach.planned && acked < self.ledger.next();
        self.connections.patience.on_attached(progress);
        self.connections.patience.on_replay(progress, again);
        self.learn_of_attach(now, attach);
        self.reconnecting.forgive_swaps(self.connections.is_stable());
        let cursor = match self.connections.current() {
            Some(old) if attach.planned => old.cursor.max(acked),
            _ => attach.stated.max(acked),
        };
        let had_connection = self.connections.current.is_some();
        // An attach is an answer, too.
        self.on_answered(now);
        let newcomer = self.new_connection(now, (epoch, keys), attach, cursor);
        self.connections
            .replace_current(newcomer, now + self.config.drain_timeout);
        self.reconnecting.on_attached(now);
        let gap = self.absence.end(now);
        let swap = match (self.counters.stats.attaches == 0, attach.planned && had_connection) {
            (true, _) => Swap::First,
            (false, true) => Swap::Planned,
            (false, false) => Swap::Unplanned,
        };
        self.counters.stats.attaches += 1;
        self.events.push(Event::Attached {
            epoch,
            swap,
            replayed: self.ledger.payload_from(cursor),
            gap,
        });
        self.reconnecting.attempt_succeeded(now, &mut self.events);
        let replays = self.connections.patience.replays();
        if self.config.stuck.replays.is_some_and(|most| replays > most) {
            self.end_stuck(now);
        }
    }

    fn new_connection(
        &self,
        now: Instant,
        (epoch, keys): (Epoch, Keys),
        attach: Attach,
        cursor: u64,
    ) -> ActiveConnection {
        let peer = self.identity.parameters();
        let theirs = peer.map_or(u64::MAX, |p| p.keepalive_interval);
        let interval = self.config.keepalive_interval.min(Duration::from_millis(theirs.max(1)));
        let quarter = peer.map_or(usize::MAX, |p| {
            usize::try_from(p.outbox_limit / 4).unwrap_or(usize::MAX)
        });
        let start = Start {
            epoch,
            keys,
            after: self.ledger.mark(),
            stated: attach.stated,
            cursor,
            planned: attach.planned,
            confirms: self.confirms_shortly(),
            owes_closed: self.closing.peer_closed(),
            closes: self.closing.has_committed(),
            liveness: Liveness::new(now, interval, self.config.keepalive_timeout, self.connections.patience),
            first_rtt: self.first_rtt(),
            ack_bytes: quarter,
            stable_after: self.reconnecting.stable_after(),
        };
        ActiveConnection::new(now, &self.config, start)
    }

    /// Whether the first packet is to be short: where much may be sent again, and where the handshake took so long that the line may be slow.
    fn confirms_shortly(&self) -> bool {
        let dialing = self.reconnecting.dialing.as_ref();
        let rtt = dialing.and_then(|dialing| dialing.rtt).unwrap_or_default();
        self.side == Side::Client && (self.counters.stats.attaches > 0 || rtt >= LONG_HANDSHAKE)
    }

    /// The round trip of the handshake, where the first packet behind it may be long.
    fn first_rtt(&self) -> Option<Duration> {
        let dialing = self.reconnecting.dialing.as_ref();
        dialing.filter(|_| !self.confirms_shortly())?.rtt
    }

    /// The host reports that a connection died.
    pub(super) fn on_detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        let role = self.connections.role(epoch);
        let counts = matches!(role, Some(ConnectionRole::Candidate | ConnectionRole::Current));
        let is_outdated = self.reconnecting.is_outdated() && cause == Cause::Denied;
        self.drop_connection(now, epoch, cause);
        if counts && !is_outdated && self.side == Side::Client {
            self.reconnecting.ask_credential(cause, &mut self.events);
        }
    }

    /// A connection ended, for whatever reason. Ignored when its epoch is over.
    pub(super) fn drop_connection(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        match self.connections.role(epoch) {
            None => drop(self.connections.take_parting(epoch)),
            Some(ConnectionRole::Candidate) => self.lost_candidate(now, cause),
            Some(ConnectionRole::Draining) => self.connections.lost_draining(self.ledger.expected()),
            Some(ConnectionRole::Current) => self.lost_current(now, cause),
        }
    }

    pub(super) fn lost_candidate(&mut self, now: Instant, cause: Cause) {
        self.connections.candidate = None;
        match self.side {
            Side::Client => self.attempt_failed(now, cause, None),
            // A session that is not confirmed yet may still be, over another connection.
            Side::Server => {
                if self.connections.current().is_some_and(|current| current.abandoned) {
                    self.leave_current(now, Cause::Network);
                }
            }
        }
    }

    /// Another attempt in the place of one that is under way and was not answered soon.
    pub(super) fn renew(&mut self, now: Instant) {
        let proving = self.connections.candidate.as_ref();
        let proving = proving.and_then(|candidate| candidate.timing.waiting_since());
        let mut given_up = false;
        self.plan(now, |reconnecting, at| {
            given_up = reconnecting.renew(at, proving);
            Decision::GoOn
        });
        if given_up {
            self.connections.candidate = None;
        }
    }

    fn lost_current(&mut self, now: Instant, cause: Cause) {
        let left = self.leave_current(now, cause);
        // A swap that is being dialled goes on in its place.
        let goes_on = self.reconnecting.resume_swap(now, cause);
        if left && !goes_on && self.reconnecting.dials() && self.connections.candidate.is_none() {
            self.plan(now, |reconnecting, at| {
                reconnecting.schedule(at, IntentKind::Resume, cause, None)
            });
        }
    }

    /// The current connection is over. False: there was none.
    pub(super) fn leave_current(&mut self, now: Instant, cause: Cause) -> bool {
        self.reconnecting.forgive_swaps(self.connections.is_stable());
        self.on_unanswered();
        let Some(old) = self.connections.current.take() else {
            return false;
        };
        // What it replaced is no way on either: the next attach says `dead` and retires all.
        self.connections.draining = None;
        self.connections
            .patience
            .on_lost(old.progress, cause == Cause::Heartbeat);
        self.connections.path_limit.on_lost(cause, &old.carried);
        self.absence.begin(now);
        self.reporting.set_due();
        self.reconnecting.on_lost(now, cause);
        self.events.push(Event::Detached { cause });
        true
    }

    /// The host found something broken that no connection's end tells of.
    pub(super) fn on_failure_report(&mut self, now: Instant, cause: Cause) {
        let current = self.connections.current().map(|current| current.epoch);
        let Some(strategy) = self.reconnecting.strategy_for(cause, self.closing.has_begun()) else {
            if let Some(epoch) = current {
                self.drop_connection(now, epoch, cause);
            }
            return;
        };
        let Some(epoch) = current else {
            match self.connections.candidate.as_ref().map(|candidate| candidate.epoch) {
                Some(epoch) => self.on_detach(now, epoch, cause),
                None => self.plan(now, |reconnecting, at| reconnecting.on_failure_report(at, cause)),
            }
            return;
        };
        match strategy {
            Strategy::Recover => self.plan(now, |reconnecting, at| {
                reconnecting.ask(at, IntentKind::Migrate, Strategy::Recover, cause);
                Decision::GoOn
            }),
            Strategy::Fresh => self.plan(now, |reconnecting, at| {
                reconnecting.ask(at, IntentKind::Resume, Strategy::Fresh, cause);
                reconnecting.give_way(at.now, at.stable)
            }),
            _ => {
                // A swap under way would take the session on without what is to be done first.
                self.connections.candidate = None;
                self.on_detach(now, epoch, cause);
            }
        }
    }

    /// Begins [`Strategy::Force`](crate::reconnect::Strategy::Force) at once, whatever is under way.
    pub(super) fn begin_force(&mut self, now: Instant) {
        if self.identity.ticket.is_none() {
            return self.reconnecting.hurry(now);
        }
        if !self.reconnecting.dials() {
            return;
        }
        self.connections.candidate = None;
        self.leave_current(now, Cause::Local);
        self.plan(now, |reconnecting, at| {
            reconnecting.force(at);
            Decision::GoOn
        });
    }
}
