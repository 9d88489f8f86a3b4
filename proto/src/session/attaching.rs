//! How a connection proves itself, takes its place, and is lost (PROTOCOL.md, "Which bytes go where after an attach").

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::BytesMut;

use super::connections::{ActiveConnection, Attach, Candidate, ConnectionRole, Stage, Start};
use super::identity::adopting::{Adopted, Adopting};
use super::identity::proving::{self, Answered, Step};
use super::identity::{NewTicket, Peer};
use super::machine::Session;
use super::reconnecting::Decision;
use crate::accept::{Incoming, IncomingKind, Proven, Rejection, final_packet};
use crate::config::SessionConfig;
use crate::error::{AttachError, ConnectionError};
use crate::event::{EndReason, Event, Swap};
use crate::id::{Carrier, Epoch, Side};
use crate::liveness::Liveness;
use crate::reconnect::{Cause, IntentKind, Reached, Strategy};
use crate::rng::Rng;
use crate::security::{ClientHandshake, Established, Keys};
use crate::time::{Duration, Instant};
use crate::wire::frame::{End, EndCode, Final, Frame, Verdict};
use crate::wire::handshake::Reject;
use crate::wire::packet::PacketType;

/// The client's side.
impl Session {
    pub(super) fn begin_attach(&mut self, now: Instant, carrier: Carrier) -> Result<Epoch, AttachError> {
        if self.is_ended() {
            return Err(AttachError::Ended);
        }
        let free = self.connections.candidate.is_none();
        let Some(dialing) = self.reconnecting.dialing.as_mut().filter(|_| free) else {
            return Err(AttachError::NotWanted);
        };
        let Some(deadline) = dialing.take_dial(now) else {
            return Err(AttachError::NotWanted);
        };
        let alive = self.connections.current.is_some();
        // What a full handshake states holds only of a session that has no connection.
        let in_handshake = dialing.asks_in_handshake() && !alive;
        let epoch = self.connections.next_epoch();
        let step = match &mut self.identity.ticket {
            Some(ticket) if !in_handshake => Some(ticket.resume(now, &self.ledger, alive, &mut self.rng)),
            _ => proving::hello(&dialing.config, dialing.suite, carrier, &mut self.rng),
        };
        self.connections.candidate = step.map(|step| candidate(epoch, deadline, step));
        self.reconnecting.on_reached(Reached::Connection);
        Ok(epoch)
    }

    /// A packet of a connection that has not proven itself: the handshakes, step by step.
    pub(super) fn on_candidate_packet(
        &mut self,
        now: Instant,
        epoch: Epoch,
        packet: BytesMut,
    ) -> Result<(), ConnectionError> {
        let kind = PacketType::of(&packet)?;
        let Some(Candidate {
            outgoing,
            deadline,
            stage,
            ..
        }) = self.connections.candidate.take()
        else {
            return Ok(());
        };
        let result = match (stage, kind) {
            // Either way the attempt was answered; the connection is of no more use.
            (stage @ (Stage::Hello { .. } | Stage::Resuming { .. }), PacketType::Reject) => {
                self.on_reject(now, &stage, &packet)
            }
            (Stage::Hello { handshake, carrier, .. }, PacketType::Challenge) => {
                self.on_challenge(handshake, carrier, &packet).map(|step| {
                    self.connections.candidate = Some(candidate(epoch, deadline, step));
                })
            }
            (
                Stage::Proven {
                    established,
                    predecessor,
                },
                PacketType::Sealed,
            ) => self.on_answer(now, epoch, (established, predecessor), packet),
            (stage @ Stage::Resuming { .. }, PacketType::Resumed) => self.on_resumed(now, epoch, stage, &packet),
            (Stage::Answered { keys, attach }, PacketType::Sealed) => {
                return self.on_confirmation(now, epoch, (*keys, attach), packet);
            }
            (stage, _) => {
                self.connections.candidate = Some(Candidate {
                    epoch,
                    outgoing,
                    deadline,
                    stage,
                });
                return Err(ConnectionError::UnexpectedPacket);
            }
        };
        // The candidate is gone already; its attempt still has to be counted.
        result.inspect_err(|error| self.attempt_failed(now, Cause::of(error), None))
    }

    fn on_challenge(
        &self,
        handshake: Box<ClientHandshake>,
        carrier: Carrier,
        packet: &[u8],
    ) -> Result<Step, ConnectionError> {
        let dialing = self.reconnecting.dialing.as_ref();
        let config = &dialing.ok_or(ConnectionError::UnexpectedPacket)?.config;
        let stated = self.ledger.stated();
        self.identity.on_challenge(config, (handshake, carrier), packet, stated)
    }

    /// RESUMED: the server proved that it has the session.
    fn on_resumed(&mut self, now: Instant, epoch: Epoch, stage: Stage, packet: &[u8]) -> Result<(), ConnectionError> {
        let Stage::Resuming {
            resume,
            sent,
            alive,
            acked,
        } = stage
        else {
            return Ok(());
        };
        let answer = resume.on_resumed(packet)?;
        self.reconnecting.on_reached(Reached::Answer);
        self.counters.stats.packets_received += 1;
        let attach = Attach {
            stated: answer.position,
            // The server goes on acknowledging on the old connection after it stated
            // this, so only what was acknowledged before counts against it.
            may_be_old: answer.position >= acked,
            planned: alive && answer.alive,
        };
        self.identity.on_resumed(now, answer.secret);
        self.go_live(now, epoch, answer.keys, attach);
        if let Some(current) = &mut self.connections.current {
            current.rtt.sample(now.saturating_since(sent));
        }
        Ok(())
    }

    /// The server's first sealed packet: FINAL, or END in its place.
    fn on_answer(
        &mut self,
        now: Instant,
        epoch: Epoch,
        (mut established, predecessor): (Box<Established>, bool),
        mut packet: BytesMut,
    ) -> Result<(), ConnectionError> {
        proving::open_answer(&mut established, &mut packet)?;
        self.counters.stats.packets_received += 1;
        let answer = proving::read_answer(packet, predecessor)?;
        self.reconnecting.on_reached(Reached::Answer);
        match answer {
            Answered::Final(answer) => self.on_final(now, epoch, *established, answer),
            Answered::Refused(end) => {
                let authority = self.identity.has_authority(&established);
                self.on_refusal(now, &end, authority);
                Ok(())
            }
        }
    }

    fn on_final(
        &mut self,
        now: Instant,
        epoch: Epoch,
        established: Established,
        answer: Final,
    ) -> Result<(), ConnectionError> {
        let Some(verdict) = answer.verdict.clone() else {
            self.ledger.streams.set_peer(&answer.parameters);
            self.establish(now, epoch, established, answer);
            return Ok(());
        };
        if !self.identity.has_authority(&established) {
            return Err(ConnectionError::Untrusted);
        }
        match verdict {
            Verdict::Resumed { position } => {
                self.identity.on_resumed(now, established.secret);
                self.go_live(now, epoch, established.keys, Attach::of_handshake(position));
            }
            Verdict::Expired { position } => {
                let closed = self.closing.reason_before(position);
                self.end(now, closed.unwrap_or(EndReason::Expired), Some(position));
            }
            Verdict::Superseded => self.end(now, EndReason::Superseded, None),
            Verdict::StateLost { .. } => self.end(now, EndReason::StateLost, None),
            Verdict::Unknown { reach } if self.never_arrived(now, &answer, reach) => {
                self.begin_again(now, epoch, established, answer);
            }
            Verdict::Unknown { .. } => self.end(now, EndReason::Unknown, None),
        }
        Ok(())
    }

    /// Whether a server that does not know the session proves by that that nothing was delivered.
    fn never_arrived(&self, now: Instant, answer: &Final, reach: u64) -> bool {
        let nothing_received = self.ledger.expected() == 0;
        let nothing_sent = self.ledger.next() == 0;
        nothing_received && (nothing_sent || self.identity.was_made_by(now, answer, reach))
    }

    /// The server never had the session: what was packed goes out again under a new one's name.
    fn begin_again(&mut self, now: Instant, epoch: Epoch, established: Established, answer: Final) {
        if self.ledger.streams.rebase(&answer.parameters) {
            self.establish(now, epoch, established, answer);
        } else {
            // It would not fit the new limits; nothing of it was delivered, and that is known.
            self.end(now, EndReason::Unknown, Some(0));
        }
    }

    /// The session has a name, and its first connection.
    fn establish(&mut self, now: Instant, epoch: Epoch, established: Established, answer: Final) {
        let id = established.id;
        self.span.named(id);
        let ticket = NewTicket {
            id,
            secret: established.secret,
            incarnation: answer.incarnation,
        };
        let peer = Peer {
            key: established.peer_key,
            parameters: answer.parameters,
        };
        self.identity.begin(now, ticket, peer);
        self.events.push(Event::Established { id });
        self.go_live(now, epoch, established.keys, Attach::of_handshake(0));
    }

    /// END where FINAL would stand: proven, but about this attempt only.
    fn on_refusal(&mut self, now: Instant, end: &End, authority: bool) {
        let after = end.after.map(Duration::from_millis);
        match end.code {
            EndCode::Unauthorized if authority => self.end(now, EndReason::Unauthorized, None),
            EndCode::Unauthorized => self.attempt_failed(now, Cause::Authentication, after),
            EndCode::RefreshCredentials => {
                self.attempt_failed(now, Cause::Authentication, after);
                self.reconnecting.need_credential(&mut self.events);
            }
            _ => {
                self.attempt_failed(now, Cause::ServerAsked, after);
                self.reconnecting.go_elsewhere(end.alternate.clone());
            }
        }
    }

    /// A word in the clear from an unproven server: never final.
    fn on_reject(&mut self, now: Instant, stage: &Stage, packet: &[u8]) -> Result<(), ConnectionError> {
        let (mut floor, mut suite_to_try) = (None, 0);
        let reject = Reject::decode(packet)?;
        self.reconnecting.on_reached(Reached::Answer);
        match reject {
            Reject::Retry { after } => floor = Some(Duration::from_millis(after)),
            Reject::Refused => {
                let resuming = matches!(stage, Stage::Resuming { .. });
                self.reconnecting.on_refused(resuming);
            }
            Reject::SuiteUnsupported => {
                if let Stage::Hello { suite, .. } = stage {
                    suite_to_try = suite + 1;
                }
            }
            Reject::VersionUnsupported => {}
        }
        self.attempt_failed(now, Cause::Refused, floor);
        self.reconnecting.try_suite(suite_to_try);
        Ok(())
    }

    /// An attach that did not prove itself.
    pub(super) fn attempt_failed(&mut self, now: Instant, cause: Cause, floor: Option<Duration>) {
        self.plan(now, |reconnecting, at| reconnecting.attempt_failed(at, cause, floor));
    }
}

/// The server's side. Until a newcomer has confirmed, only the candidate is touched.
impl Session {
    /// A session fresh from its handshake. Provisional until the client's first sealed packet.
    pub(crate) fn accepted(now: Instant, config: &Arc<SessionConfig>, rng: Rng, proven: Proven) -> (Session, Epoch) {
        let Proven {
            mut established,
            offer,
            answer,
            ..
        } = proven;
        let mut session = Session::new(Side::Server, Arc::clone(config), rng);
        session.ledger.streams.set_peer(&offer.parameters);
        session.span.named(established.id);
        let ticket = NewTicket {
            id: established.id,
            secret: established.secret,
            incarnation: answer.incarnation,
        };
        let peer = Peer {
            key: established.peer_key,
            parameters: offer.parameters,
        };
        session.identity.begin(now, ticket, peer);
        session.identity.provisional_until = Some(now + config.handshake_timeout);
        let outgoing = final_packet(&mut established.keys, answer);
        let epoch = session.answer(
            now,
            Adopted {
                outgoing,
                keys: established.keys,
                attach: Attach::of_handshake(0),
            },
        );
        (session, epoch)
    }

    /// Checks the newcomer's proof.
    pub(super) fn begin_adopt(&mut self, now: Instant, incoming: Incoming) -> Result<Epoch, Rejection> {
        let mut at = Adopting {
            now,
            ended: self.is_ended(),
            stated: self.ledger.stated(),
            may_swap: self.may_swap(),
            max_attempts: self.config.max_attempts,
            rng: &mut self.rng,
        };
        let adopted = match incoming.kind {
            IncomingKind::Resume { clear, packet } => self.identity.adopt_resume(&mut at, clear.counter, &packet)?,
            IncomingKind::Proven(proven) => self.identity.adopt_proven(&mut at, *proven)?,
            IncomingKind::Handshake(_) | IncomingKind::Failed => return Err(Rejection::SILENT),
        };
        Ok(self.answer(now, adopted))
    }

    /// The newcomer is the candidate, in the place of any before it.
    fn answer(&mut self, now: Instant, adopted: Adopted) -> Epoch {
        let epoch = self.connections.next_epoch();
        self.connections.candidate = Some(Candidate {
            epoch,
            outgoing: adopted.outgoing,
            deadline: now + self.config.handshake_timeout,
            stage: Stage::Answered {
                keys: Box::new(adopted.keys),
                attach: adopted.attach,
            },
        });
        epoch
    }

    /// The first packet under the candidate's keys is its proof; a forged one is nobody's word.
    fn on_confirmation(
        &mut self,
        now: Instant,
        epoch: Epoch,
        (mut keys, attach): (Keys, Attach),
        mut packet: BytesMut,
    ) -> Result<(), ConnectionError> {
        let mut opened = packet.split_off(1);
        if keys.opener.open(&mut opened).is_err() {
            self.lost_candidate(now, Cause::Protocol);
            return Err(ConnectionError::Forged);
        }
        self.identity.on_confirmed(now);
        if let Some(id) = self.id().filter(|_| self.counters.stats.attaches == 0) {
            self.events.push(Event::Established { id });
        }
        self.go_live(now, epoch, keys, attach);
        self.reporting.set_due();
        self.on_frames(now, opened)
    }
}

/// How one connection gives way to another.
impl Session {
    /// The connection carries the session from here on.
    fn go_live(&mut self, now: Instant, epoch: Epoch, keys: Keys, attach: Attach) {
        let (acked, next) = (self.ledger.acked(), self.ledger.next());
        // A dead end has read all it ever will from us: its position can neither lie above what was
        // sent nor below what it acknowledged. A live one's may merely be old.
        let contradicts = attach.stated > next || (attach.stated < acked && !attach.may_be_old);
        if contradicts {
            let end = End::new(EndCode::StateLost, Some(self.ledger.stated()));
            self.connections.set_parting(epoch, keys, alloc::vec![Frame::End(end)]);
            self.end(now, EndReason::StateLost, None);
            return;
        }
        let progress = acked < attach.stated;
        self.ledger.acknowledge(attach.stated);
        let acked = self.ledger.acked();
        let again = !attach.planned && acked < self.ledger.next();
        self.connections.patience.on_attached(progress);
        self.connections.patience.on_replay(progress, again);
        self.reconnecting.forgive_swaps(self.connections.is_stable());
        let cursor = match self.connections.current() {
            Some(old) if attach.planned => old.cursor.max(acked),
            _ => attach.stated.max(acked),
        };
        let had_connection = self.connections.current.is_some();
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
            stated: attach.stated,
            cursor,
            planned: attach.planned,
            owes_closed: self.closing.peer_closed(),
            liveness: Liveness::new(now, interval, self.config.keepalive_timeout, self.connections.patience),
            ack_bytes: quarter,
            stable_after: self.reconnecting.stable_after(),
        };
        ActiveConnection::new(now, &self.config, start)
    }

    /// A connection died, by the host's word.
    pub(super) fn on_detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        let role = self.connections.role(epoch);
        let counts = matches!(role, Some(ConnectionRole::Candidate | ConnectionRole::Current));
        self.drop_connection(now, epoch, cause);
        if counts && cause == Cause::Authentication && self.side == Side::Client {
            self.reconnecting.need_credential(&mut self.events);
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
            Side::Server => {}
        }
    }

    fn lost_current(&mut self, now: Instant, cause: Cause) {
        let left = self.leave_current(now, cause);
        if left && self.reconnecting.dials() && self.connections.candidate.is_none() {
            self.plan(now, |reconnecting, at| {
                reconnecting.schedule(at, IntentKind::Resume, cause, None)
            });
        }
    }

    /// The current connection is over. False: there was none.
    pub(super) fn leave_current(&mut self, now: Instant, cause: Cause) -> bool {
        self.reconnecting.forgive_swaps(self.connections.is_stable());
        let Some(old) = self.connections.current.take() else {
            return false;
        };
        // What it replaced is no way on either: the next attach says `dead` and retires all.
        self.connections.draining = None;
        self.connections
            .patience
            .on_lost(old.progress, cause == Cause::Heartbeat);
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

fn candidate(epoch: Epoch, deadline: Instant, (outgoing, stage): Step) -> Candidate {
    Candidate {
        epoch,
        outgoing: Some(outgoing),
        deadline,
        stage,
    }
}
