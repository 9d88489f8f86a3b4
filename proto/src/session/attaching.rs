//! The client's side of an attach: how a connection proves itself, step by step.

use super::closing::Stated;
use super::connections::{Attach, Candidate, Stage, Timing};
use super::identity::proving::{self, Answered, Step};
use super::identity::{NewTicket, Peer};
use super::machine::Session;
use crate::durable::{Mark, Op, op};
use crate::error::{AttachError, ConnectionError};
use crate::event::{Closer, EndReason, Event};
use crate::id::{Carrier, Epoch};
use crate::liveness::STALL;
use crate::reconnect::{Cause, Reached};
use crate::security::{ClientHandshake, Established, ResumptionSecret};
use crate::time::{Duration, Instant};
use crate::wire::frame::{End, EndCode, Final, Parameters, Verdict};
use crate::wire::handshake::Reject;
use crate::wire::packet::PacketType;
use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};

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
        if let Some(ticket) = &mut self.identity.ticket {
            ticket.counter += 1;
            let counter = ticket.counter;
            self.ledger.note(|| Op::Counter(counter));
        }
        let step = match &self.identity.ticket {
            Some(ticket) if !in_handshake => Some(ticket.resume(&self.ledger, alive, &mut self.rng)),
            _ => {
                self.identity.on_hello(now);
                proving::hello(&dialing.config, dialing.suite, carrier, &mut self.rng)
            }
        };
        let after = self.ledger.mark();
        let begin = |step| Box::new(candidate(epoch, deadline, step, Timing::begun(now), after));
        self.connections.candidate = step.map(begin);
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
            after,
            deadline,
            stage,
            mut timing,
            ..
        }) = self.connections.candidate.take().map(|candidate| *candidate)
        else {
            return Ok(());
        };
        timing.on_answered(now);
        if now.saturating_since(deadline) > STALL {
            // This host stood still; that tells nothing of the round trip.
            timing = Timing::default();
        }
        let result = match (stage, kind) {
            // Either way the attempt was answered; the connection is of no more use.
            (stage @ (Stage::Hello { .. } | Stage::Resuming { .. }), PacketType::Reject) => {
                self.on_reject(now, &stage, &packet)
            }
            (Stage::Hello { handshake, carrier, .. }, PacketType::Challenge) => {
                self.on_challenge(handshake, carrier, &packet).map(|step| {
                    self.connections.candidate = Some(Box::new(candidate(epoch, deadline, step, timing, after)));
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
                return self.on_confirmation(now, epoch, (*keys, attach, timing), packet);
            }
            (stage, _) => {
                self.connections.candidate = Some(Box::new(Candidate {
                    epoch,
                    outgoing,
                    after,
                    deadline,
                    stage,
                    timing,
                }));
                return Err(ConnectionError::UnexpectedPacket);
            }
        };
        self.connections.learn_rtt(epoch, timing);
        self.reconnecting.on_rtt(timing.rtt());
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
        // All that was taken was kept before HELLO went, and there was no connection since.
        let stated = self.ledger.standing();
        self.identity.on_challenge(config, (handshake, carrier), packet, stated)
    }

    /// RESUMED: the server proved that it has the session.
    fn on_resumed(&mut self, now: Instant, epoch: Epoch, stage: Stage, packet: &[u8]) -> Result<(), ConnectionError> {
        let Stage::Resuming { resume, alive, acked } = stage else {
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
        self.on_renewed(answer.secret);
        self.go_live(now, epoch, answer.keys, attach);
        Ok(())
    }

    /// The server proved that it has the session; `secret` is the next one to prove it with.
    fn on_renewed(&mut self, secret: ResumptionSecret) {
        self.ledger.note(|| Op::Renewed(secret.clone()));
        self.identity.on_resumed(secret);
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
                self.on_renewed(established.secret);
                self.go_live(now, epoch, established.keys, Attach::of_handshake(position));
            }
            Verdict::Expired { position } => self.on_over(now, position, EndReason::Expired),
            Verdict::Closed { position, code, reason } => {
                // A slice of it would keep the whole packet in memory.
                let reason = Bytes::copy_from_slice(&reason);
                let by = Closer::Peer;
                self.on_over(now, position, EndReason::Closed { code, reason, by });
            }
            Verdict::Replaced { position } => self.on_over(now, position, EndReason::Replaced),
            Verdict::Superseded => self.end(now, EndReason::Superseded, None),
            Verdict::StateLost { .. } => self.end(now, EndReason::StateLost, None),
            Verdict::Unknown { reach } if self.never_arrived(now, &answer, reach) => {
                self.begin_again(now, epoch, established, answer);
            }
            Verdict::Unknown { .. } => self.end(now, EndReason::Unknown, None),
        }
        Ok(())
    }

    /// The session is over at the server, whose final position is `position`, for `reason` if nothing more is known here.
    fn on_over(&mut self, now: Instant, position: u64, reason: EndReason) {
        if self.closing.judge(Stated::Final, position, &self.ledger).is_err() {
            return self.end(now, EndReason::StateLost, None);
        }
        let closed = self.closing.reason_before(position);
        self.end(now, closed.unwrap_or(reason), Some(position));
    }

    /// Whether a server that does not know the session proves by that that nothing was delivered.
    pub(super) fn never_arrived(&self, now: Instant, answer: &Final, reach: u64) -> bool {
        let nothing_received = self.ledger.received_nothing() && self.ledger.acked() == 0;
        let nothing_sent = self.ledger.next() == 0;
        nothing_received && (nothing_sent || self.identity.was_never_confirmed(now, answer, reach))
    }

    /// The server never had the session: what was packed goes out again under a new one's name.
    fn begin_again(&mut self, now: Instant, epoch: Epoch, established: Established, answer: Final) {
        if self.fits(&answer.parameters) {
            self.establish(now, epoch, established, answer);
        } else {
            // It would not fit the new limits; nothing of it was delivered, and that is known.
            self.end(now, EndReason::Unknown, Some(0));
        }
    }

    /// Whether what is committed fits another server's limits, which hold from now on. If not, nothing changed that matters
    /// any more.
    pub(super) fn fits(&mut self, parameters: &Parameters) -> bool {
        self.ledger.streams.rebase(parameters)
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
        self.note_established(now, &ticket, &peer);
        self.identity.begin(ticket, peer);
        self.events.push(Event::Established { id });
        self.go_live(now, epoch, established.keys, Attach::of_handshake(0));
    }

    fn note_established(&mut self, now: Instant, ticket: &NewTicket, peer: &Peer) {
        let age = self.identity.asked_for(now);
        self.ledger.note(|| {
            Op::Established(op::Established {
                id: ticket.id,
                secret: ticket.secret.clone(),
                incarnation: ticket.incarnation,
                peer_key: peer.key,
                parameters: peer.parameters.clone(),
                age: Some(age),
            })
        });
    }

    /// END where FINAL would stand: proven, but about this attempt only.
    fn on_refusal(&mut self, now: Instant, end: &End, authority: bool) {
        let after = end.after.map(Duration::from_millis);
        match end.code {
            EndCode::Unauthorized if authority => self.end(now, EndReason::Unauthorized, None),
            EndCode::Unauthorized | EndCode::RefreshCredentials => {
                let cause = match authority {
                    true => Cause::Authentication,
                    // Anybody can be some other server, of a session that exists.
                    false => Cause::Denied,
                };
                self.attempt_failed(now, cause, after);
                self.reconnecting.ask_credential(cause, &mut self.events);
            }
            _ => {
                self.attempt_failed(now, Cause::ServerAsked, after);
                self.reconnecting.go_elsewhere(end.alternate.clone());
            }
        }
    }

    /// A refusal in the clear, from a server that has proven nothing. It is never final.
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

fn candidate(epoch: Epoch, deadline: Instant, (outgoing, stage): Step, timing: Timing, after: Mark) -> Candidate {
    Candidate {
        epoch,
        outgoing: Some(outgoing),
        after,
        deadline,
        stage,
        timing,
    }
}
