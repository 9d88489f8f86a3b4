//! The server's side of an attach: a new session, a newcomer's proof, and the confirmation that makes a candidate the
//! connection.

use super::closing::Finish;
use super::connections::{Attach, Candidate, Stage, Timing};
use super::identity::adopting::{Adopted, Adopting, Declined};
use super::identity::{NewTicket, Peer};
use super::machine::Session;
use crate::accept::{Incoming, IncomingKind, Proven, Refusal, Rejection, final_packet};
use crate::config::SessionConfig;
use crate::durable::Op;
use crate::error::{ConnectionError, Violation};
use crate::event::Event;
use crate::id::{Epoch, Side};
use crate::reconnect::Cause;
use crate::rng::Rng;
use crate::security::{Keys, ResumeSecrets};
use crate::time::Instant;
use crate::wire::frame::Final;
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::BytesMut;

/// The server's side. Until a newcomer has confirmed, only the candidate is touched; but what its client has left is not read any more.
impl Session {
    /// A session fresh from its handshake. Provisional until the client's first sealed packet. In `secrets` the registry
    /// sees under which of them it takes a RESUME.
    pub(crate) fn accepted(
        now: Instant,
        config: &Arc<SessionConfig>,
        secrets: Arc<ResumeSecrets>,
        rng: Rng,
        proven: Proven,
    ) -> (Session, Epoch) {
        let Proven {
            mut established,
            offer,
            answer,
            ..
        } = proven;
        let mut session = Session::new(Side::Server, Arc::clone(config), rng);
        session.latest.advance(now);
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
        session.identity.begin(ticket, peer);
        session.identity.publish_in(secrets);
        session.identity.provisional_until = Some(now + config.handshake_timeout);
        let outgoing = final_packet(&mut established.keys, answer);
        let epoch = session.answer(
            now,
            Adopted {
                outgoing,
                keys: established.keys,
                attach: Attach::of_handshake(0),
                promoted: false,
            },
        );
        (session, epoch)
    }

    /// Checks the newcomer's proof.
    pub(super) fn begin_adopt(&mut self, now: Instant, incoming: Incoming) -> Result<Epoch, Rejection> {
        let ended = self.is_ended();
        let counter = self.counter();
        let mut at = Adopting {
            now,
            ledger: &self.ledger,
            closing: &self.closing,
            may_swap: self.may_swap(),
            max_attempts: self.config.max_attempts,
            rng: &mut self.rng,
        };
        let adopted = match incoming.kind {
            IncomingKind::Resume { .. } if ended => Err(Declined::refused()),
            IncomingKind::Proven(proven) if ended => return Err(self.say_how_it_ended(*proven)),
            IncomingKind::Resume { clear, packet } => self.identity.adopt_resume(&mut at, clear.counter, &packet),
            IncomingKind::Proven(proven) => self.identity.adopt_proven(&mut at, *proven),
            IncomingKind::Handshake(_) | IncomingKind::Failed => return Err(Rejection::SILENT),
        };
        match adopted {
            Ok(adopted) => {
                if !adopted.attach.may_be_old {
                    // Its client said that it has no connection any more.
                    self.connections.abandon();
                }
                self.note_candidate(adopted.promoted);
                Ok(self.answer(now, adopted))
            }
            Err(Declined { rejection, rule: None }) => {
                self.note_counter(counter);
                Err(rejection)
            }
            Err(Declined {
                rejection,
                rule: Some(rule),
            }) => {
                let place = "attach";
                self.conclude(now, Finish::of_violation(&Violation { place, rule }));
                self.settle(now);
                Err(rejection)
            }
        }
    }

    /// The highest authentic counter of an attach.
    pub(crate) fn counter(&self) -> Option<u64> {
        self.identity.ticket.as_ref().map(|ticket| ticket.counter)
    }

    /// A newcomer that is sent away has used its counter up all the same, if it was authentic.
    fn note_counter(&mut self, before: Option<u64>) {
        if let Some(counter) = self.counter().filter(|counter| Some(*counter) != before) {
            self.ledger.note(|| Op::Counter(counter));
        }
    }

    fn note_candidate(&mut self, promoted: bool) {
        let ticket = self.identity.ticket.as_ref();
        let Some((counter, secret)) = ticket.and_then(|ticket| Some((ticket.counter, ticket.candidate.as_ref()?)))
        else {
            return;
        };
        self.ledger.note(|| Op::Candidate {
            counter,
            secret: secret.clone(),
            promoted,
        });
    }

    /// The registry has not been told yet that the session is over, and so sends its client here.
    fn say_how_it_ended(&self, mut proven: Proven) -> Rejection {
        let keys = &mut proven.established.keys;
        let (Some(tombstone), Some(named)) = (self.tombstone(), &proven.offer.predecessor) else {
            // It never was more than provisional. What that means for the client is the registry's to say.
            return Refusal::soon().seal(keys);
        };
        let Some(verdict) = tombstone.verdict(named, &proven.hash_after_2) else {
            return Refusal::soon().seal(keys);
        };
        let answer = Final {
            verdict: Some(verdict),
            ..proven.answer
        };
        Rejection {
            packet: final_packet(keys, answer),
        }
    }

    /// The newcomer is the candidate, in the place of any before it.
    fn answer(&mut self, now: Instant, adopted: Adopted) -> Epoch {
        let epoch = self.connections.next_epoch();
        self.connections.candidate = Some(Box::new(Candidate {
            epoch,
            outgoing: adopted.outgoing,
            after: self.ledger.mark(),
            deadline: now + self.config.handshake_timeout,
            stage: Stage::Answered {
                keys: Box::new(adopted.keys),
                attach: adopted.attach,
            },
            timing: Timing::default(),
        }));
        epoch
    }

    /// The first packet under the candidate's keys is its proof; one that is forged proves nothing.
    pub(super) fn on_confirmation(
        &mut self,
        now: Instant,
        epoch: Epoch,
        (mut keys, attach, timing): (Keys, Attach, Timing),
        mut packet: BytesMut,
    ) -> Result<(), ConnectionError> {
        let mut opened = packet.split_off(1);
        if keys.opener.open(&mut opened).is_err() {
            self.lost_candidate(now, Cause::Protocol);
            return Err(ConnectionError::Forged);
        }
        self.identity.on_confirmed();
        self.ledger.note(|| Op::Confirmed);
        if let Some(id) = self.id().filter(|_| self.counters.stats.attaches == 0) {
            self.events.push(Event::Established { id });
        }
        self.go_live(now, epoch, keys, attach);
        self.connections.learn_rtt(epoch, timing);
        self.reporting.set_due();
        self.on_frames(now, opened)
    }
}
