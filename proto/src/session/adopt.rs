//! The server's side of an attach: a new session, a resume, and the confirmation that makes a candidate
//! the connection. Until then only the candidate is touched.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;

use super::connection::{Attach, Candidate, Stage};
use super::ticket::Attempts;
use super::{Peer, Session, Ticket};
use crate::config::SessionConfig;
use crate::event::Event;
use crate::id::{Epoch, Side};
use crate::rng::Rng;
use crate::security::{Keys, ResumptionSecret, ServerResume};
use crate::server::{Incoming, IncomingKind, Proven, Refusal, Rejection, final_packet};
use crate::time::Instant;
use crate::wire::frame::Verdict;
use crate::wire::handshake::Reject;

impl Session {
    /// Server: a session fresh from its handshake. Provisional until the client's first sealed packet.
    pub(crate) fn accepted(now: Instant, config: &Arc<SessionConfig>, rng: Rng, proven: Proven) -> (Session, Epoch) {
        let Proven {
            mut established,
            offer,
            answer,
            ..
        } = proven;
        let mut session = Session::new(Side::Server, Arc::clone(config), rng, None);
        session.ledger.streams.set_peer(&offer.parameters);
        let incarnation = answer.incarnation;
        let packet = final_packet(&mut established.keys, answer);
        session.span.named(established.id);
        session.ticket = Some(Ticket {
            id: established.id,
            secret: established.secret,
            candidate: None,
            counter: 0,
            incarnation,
            attached_at: now,
        });
        session.peer = Some(Peer {
            key: established.peer_key,
            parameters: offer.parameters,
        });
        session.provisional_until = Some(now + config.handshake_timeout);
        let epoch = session.links.next_epoch();
        let attach = Attach {
            stated: 0,
            may_be_old: false,
            planned: false,
        };
        session.links.candidate = Some(Candidate {
            epoch,
            outgoing: packet,
            deadline: now + config.handshake_timeout,
            stage: Stage::Answered {
                keys: Box::new(established.keys),
                attach,
            },
        });
        (session, epoch)
    }

    /// Server: checks the newcomer's proof. Until it has confirmed, only the candidate is touched.
    pub(super) fn begin_adopt(&mut self, now: Instant, incoming: Incoming) -> Result<Epoch, Rejection> {
        match incoming.kind {
            IncomingKind::Resume { clear, packet } => self.adopt_resume(now, clear.counter, &packet),
            IncomingKind::Proven(proven) => self.adopt_proven(now, *proven),
            IncomingKind::Handshake(_) | IncomingKind::Failed => Err(Rejection::SILENT),
        }
    }

    fn adopt_resume(&mut self, now: Instant, counter: u64, packet: &[u8]) -> Result<Epoch, Rejection> {
        let refused = || Rejection::clear(Reject::Refused);
        let alive_here = self.may_swap();
        let stated = self.ledger.stated();
        let Some(ticket) = self.ticket.as_mut().filter(|_| !self.state.is_ended()) else {
            return Err(refused());
        };
        let secrets = [Some(&ticket.secret), ticket.candidate.as_ref()];
        let resume = ServerResume::open(secrets, packet, &mut self.rng).map_err(|_| refused())?;
        if counter <= ticket.counter {
            return Err(refused());
        }
        ticket.counter = counter;
        if let Err(after) = self.attempts.take(now, self.config.max_attempts) {
            return Err(Rejection::retry(after));
        }
        // The candidate's secret was used: the client has it, so the older one is over.
        if let Some(newer) = ticket.candidate.take_if(|_| resume.which == 1) {
            ticket.secret = newer;
        }
        let planned = resume.alive && alive_here;
        let attach = Attach {
            stated: resume.position,
            may_be_old: resume.alive,
            planned,
        };
        let (answer, keys, secret) = resume.answer(stated, planned).map_err(|_| refused())?;
        ticket.candidate = Some(secret);
        Ok(self.new_candidate(now, Some(answer), keys, attach))
    }

    fn adopt_proven(&mut self, now: Instant, mut proven: Proven) -> Result<Epoch, Rejection> {
        let stated = self.ledger.stated();
        let known = match (&self.ticket, &proven.offer.predecessor) {
            (Some(ticket), Some(named)) if named.id == ticket.id.0 && !self.state.is_ended() => {
                let secrets = [Some(&ticket.secret), ticket.candidate.as_ref()];
                let opens = |s: &ResumptionSecret| s.verifier().check(&proven.hash_after_2, &named.mac);
                let which = secrets.iter().position(|s| s.is_some_and(opens));
                which
                    .filter(|_| named.counter >= ticket.counter)
                    .map(|which| (which, named.position))
            }
            _ => None,
        };
        let mut answer = proven.answer.clone();
        let (Some((which, position)), Some(ticket)) = (known, &mut self.ticket) else {
            answer.verdict = Some(Verdict::Superseded);
            return Err(Rejection {
                packet: final_packet(&mut proven.established.keys, answer),
            });
        };
        ticket.counter = proven
            .offer
            .predecessor
            .as_ref()
            .map_or(ticket.counter, |named| named.counter);
        if let Err(after) = self.attempts.take(now, self.config.max_attempts) {
            let alternate = Bytes::new();
            return Err(Refusal::RetryLater { after, alternate }.seal(&mut proven.established.keys));
        }
        if let Some(newer) = ticket.candidate.take_if(|_| which == 1) {
            ticket.secret = newer;
        }
        answer.verdict = Some(Verdict::Resumed { position: stated });
        let packet = final_packet(&mut proven.established.keys, answer);
        ticket.candidate = Some(proven.established.secret);
        let attach = Attach {
            stated: position,
            may_be_old: false,
            planned: false,
        };
        Ok(self.new_candidate(now, packet, proven.established.keys, attach))
    }

    fn new_candidate(
        &mut self,
        now: Instant,
        outgoing: Option<alloc::vec::Vec<u8>>,
        keys: Keys,
        attach: Attach,
    ) -> Epoch {
        let epoch = self.links.next_epoch();
        let deadline = now + self.config.handshake_timeout;
        let stage = Stage::Answered {
            keys: Box::new(keys),
            attach,
        };
        self.links.candidate = Some(Candidate {
            epoch,
            outgoing,
            deadline,
            stage,
        });
        epoch
    }

    /// Server: the candidate's first sealed packet opened.
    pub(super) fn confirm(&mut self, now: Instant, epoch: Epoch, keys: Keys, attach: Attach) {
        if let Some(ticket) = &mut self.ticket {
            if let Some(secret) = ticket.candidate.take() {
                ticket.secret = secret;
            }
            ticket.attached_at = now;
            if self.stats.attaches == 0 {
                let id = ticket.id;
                self.push_event(Event::Established { id });
            }
        }
        self.provisional_until = None;
        self.attempts = Attempts::default();
        self.go_live(now, epoch, keys, attach);
        self.report_due = true;
    }
}
