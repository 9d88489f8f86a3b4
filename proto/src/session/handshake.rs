//! The client's side of a new session, and of asking for an old one inside a full handshake.

use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use super::connection::{Attach, Candidate, Stage};
use super::{Peer, Session, Ticket};
use crate::error::{ConnectionError, ProtocolError};
use crate::event::{EndReason, Event};
use crate::id::{Carrier, Epoch};
use crate::reconnect::Cause;
use crate::security::{ClientHandshake, Established, VERSION};
use crate::time::{Duration, Instant};
use crate::wire;
use crate::wire::frame::{End, EndCode, Final, Frame, Offer, Predecessor, Verdict};
use crate::wire::handshake::Reject;

impl Session {
    /// HELLO under the suite that is tried now.
    pub(super) fn hello(&mut self, epoch: Epoch, carrier: Carrier, deadline: Instant) -> Option<Candidate> {
        let dialing = self.dialing.as_ref()?;
        let suites = dialing.config.auth.suites(&dialing.config.suites);
        let index = dialing.suite % suites.len().max(1);
        let suite = *suites.get(index)?;
        let (handshake, hello) = ClientHandshake::new(&dialing.config.auth, suite, &mut self.rng);
        let stage = Stage::Hello {
            handshake: Box::new(handshake),
            carrier,
            suite: index,
        };
        Some(Candidate {
            epoch,
            outgoing: Some(hello),
            deadline,
            stage,
        })
    }

    /// CHALLENGE: check who answers, then prove who we are.
    pub(super) fn on_challenge(
        &mut self,
        mut handshake: Box<ClientHandshake>,
        carrier: Carrier,
        packet: &[u8],
    ) -> Result<(alloc::vec::Vec<u8>, Stage), ConnectionError> {
        handshake.on_challenge(packet)?;
        let dialing = self.dialing.as_ref().ok_or(ConnectionError::UnexpectedPacket)?;
        let config = &dialing.config;
        let predecessor = self.ticket.as_ref().map(|ticket| Predecessor {
            id: ticket.id.0,
            counter: ticket.counter,
            position: self.ledger.stated(),
            mac: ticket.secret.verifier().mac(handshake.hash_after_2()),
        });
        let named = predecessor.is_some();
        let offer = Offer {
            versions: alloc::vec![VERSION],
            suites: config
                .auth
                .suites(&config.suites)
                .iter()
                .map(|suite| suite.byte())
                .collect(),
            parameters: self.config.parameters(),
            name: Bytes::copy_from_slice(config.name.as_bytes()),
            credential: if handshake.may_send_credential(carrier) {
                config.credential.clone()
            } else {
                Bytes::new()
            },
            predecessor,
        };
        let (proof, established) = handshake.prove(&wire::handshake::encode_offer(&offer))?;
        Ok((
            proof,
            Stage::Proven {
                established: Box::new(established),
                predecessor: named,
            },
        ))
    }

    /// The server's first sealed packet: FINAL, or END in its place.
    pub(super) fn on_final(
        &mut self,
        now: Instant,
        epoch: Epoch,
        mut established: Box<Established>,
        predecessor: bool,
        mut packet: BytesMut,
    ) -> Result<(), ConnectionError> {
        if packet.len() > wire::packet::MAX_FINAL {
            return Err(ConnectionError::TooLarge);
        }
        let _ = packet.split_to(1);
        established
            .keys
            .opener
            .open(&mut packet)
            .map_err(|_| ConnectionError::Forged)?;
        self.stats.packets_received += 1;
        let mut frames = wire::frames(packet.freeze());
        let first = frames.next().ok_or(ProtocolError::Misplaced)??;
        if frames.next().is_some() {
            return Err(ProtocolError::Misplaced.into());
        }
        match first {
            Frame::Final(answer) if answer.verdict.is_some() == predecessor => {
                self.on_verdict(now, epoch, *established, answer)
            }
            Frame::End(end) => {
                let authority = self.has_authority(&established);
                self.on_refusal(now, &end, authority);
                Ok(())
            }
            _ => Err(ProtocolError::Misplaced.into()),
        }
    }

    fn on_verdict(
        &mut self,
        now: Instant,
        epoch: Epoch,
        established: Established,
        answer: Final,
    ) -> Result<(), ConnectionError> {
        let Some(verdict) = &answer.verdict else {
            self.begin_session(now, epoch, established, answer);
            return Ok(());
        };
        if !self.has_authority(&established) {
            return Err(ConnectionError::Untrusted);
        }
        match *verdict {
            Verdict::Resumed { position } => {
                let attach = Attach {
                    stated: position,
                    may_be_old: false,
                    planned: false,
                };
                self.resumed(now, epoch, established.keys, established.secret, attach);
            }
            Verdict::Expired { position } => {
                let reason = self.closed_before(position).unwrap_or(EndReason::Expired);
                self.end(now, reason, Some(position));
            }
            Verdict::Superseded => self.end(now, EndReason::Superseded, None),
            Verdict::StateLost { .. } => self.end(now, EndReason::StateLost, None),
            Verdict::Unknown { reach } => {
                if self.never_arrived(now, &answer, reach) {
                    self.begin_again(now, epoch, established, answer);
                } else {
                    self.end(now, EndReason::Unknown, None);
                }
            }
        }
        Ok(())
    }

    /// Only the server that made the session can speak of it with finality.
    fn has_authority(&self, established: &Established) -> bool {
        self.ticket.is_none() || established.suite.has_secret() || self.peer_key() == Some(established.peer_key)
    }

    /// Whether a server that does not know the session proves by that that nothing was delivered.
    fn never_arrived(&self, now: Instant, answer: &Final, reach: u64) -> bool {
        let nothing_received = self.ledger.expected() == 0;
        let nothing_sent = self.ledger.next() == 0;
        let same_process = self.ticket.as_ref().is_some_and(|ticket| {
            ticket.incarnation == answer.incarnation
                && Duration::from_millis(reach) >= now.saturating_since(ticket.attached_at)
        });
        nothing_received && (nothing_sent || same_process)
    }

    fn begin_session(&mut self, now: Instant, epoch: Epoch, established: Established, answer: Final) {
        self.ledger.streams.set_peer(&answer.parameters);
        self.adopt_identity(now, epoch, established, answer);
    }

    /// The server never had the session: what was packed goes out again under a new one's name.
    fn begin_again(&mut self, now: Instant, epoch: Epoch, established: Established, answer: Final) {
        if self.ledger.streams.rebase(&answer.parameters) {
            self.adopt_identity(now, epoch, established, answer);
        } else {
            // It would not fit the new limits; nothing of it was delivered, and that is known.
            self.end(now, EndReason::Unknown, Some(0));
        }
    }

    fn adopt_identity(&mut self, now: Instant, epoch: Epoch, established: Established, answer: Final) {
        let id = established.id;
        self.span.named(id);
        self.ticket = Some(Ticket {
            id,
            secret: established.secret,
            candidate: None,
            counter: 0,
            incarnation: answer.incarnation,
            attached_at: now,
        });
        self.peer = Some(Peer {
            key: established.peer_key,
            parameters: answer.parameters,
        });
        self.push_event(Event::Established { id });
        let attach = Attach {
            stated: 0,
            may_be_old: false,
            planned: false,
        };
        self.go_live(now, epoch, established.keys, attach);
    }

    /// END where FINAL would stand: proven, but about this attempt only.
    fn on_refusal(&mut self, now: Instant, end: &End, authority: bool) {
        let after = end.after.map(Duration::from_millis);
        match end.code {
            EndCode::Unauthorized if authority => self.end(now, EndReason::Unauthorized, None),
            EndCode::Unauthorized => self.attempt_failed(now, Cause::Authentication, after),
            EndCode::RefreshCredentials => {
                self.attempt_failed(now, Cause::Authentication, after);
                self.need_credential();
            }
            _ => {
                self.attempt_failed(now, Cause::ServerAsked, after);
                self.go_elsewhere(end.alternate.clone());
            }
        }
    }

    /// A word in the clear from an unproven server: never final.
    pub(super) fn on_reject(&mut self, now: Instant, reject: Reject, stage: &Stage) {
        let (mut floor, mut suite_to_try) = (None, 0);
        match reject {
            Reject::Retry { after } => floor = Some(Duration::from_millis(after)),
            Reject::Refused => {
                if let (Stage::Resuming { .. }, Some(dialing)) = (stage, &mut self.dialing) {
                    dialing.on_refused();
                }
            }
            Reject::SuiteUnsupported => {
                if let Stage::Hello { suite, .. } = stage {
                    suite_to_try = suite + 1;
                }
            }
            Reject::VersionUnsupported => {}
        }
        self.attempt_failed(now, Cause::Refused, floor);
        if let Some(dialing) = &mut self.dialing {
            dialing.suite = suite_to_try;
        }
    }
}
