//! The server's check of a newcomer's proof. Until the newcomer has confirmed, only the candidate is touched.

use alloc::vec::Vec;

use bytes::Bytes;

use super::ticket::{Identity, Ticket};
use crate::accept::{Proven, Refusal, Rejection, final_packet};
use crate::error::ProtocolError;
use crate::rng::Rng;
use crate::security::{Keys, ResumptionSecret, ServerResume};
use crate::session::closing::{Closing, Stated};
use crate::session::connections::Attach;
use crate::session::ledger::Ledger;
use crate::time::Instant;
use crate::wire::frame::{Predecessor, Verdict};
use crate::wire::handshake::Reject;

/// How the session stands while a newcomer's proof is checked.
pub(crate) struct Adopting<'a> {
    pub(crate) now: Instant,
    pub(crate) ledger: &'a Ledger,
    pub(crate) closing: &'a Closing,
    /// Whether a planned swap may begin.
    pub(crate) may_swap: bool,
    /// Attempts in a row, beyond which each has to wait.
    pub(crate) max_attempts: u32,
    pub(crate) rng: &'a mut Rng,
}

/// A newcomer that proved itself.
pub(crate) struct Adopted {
    /// What it is answered.
    pub(crate) outgoing: Option<Vec<u8>>,
    pub(crate) keys: Keys,
    pub(crate) attach: Attach,
    /// It used the secret of the candidate before it.
    pub(crate) promoted: bool,
}

/// A newcomer that is sent away.
pub(crate) struct Declined {
    /// What it is answered.
    pub(crate) rejection: Rejection,
    /// The rule that it broke, though authentic, and for which the session ends.
    pub(crate) rule: Option<ProtocolError>,
}

impl From<Rejection> for Declined {
    fn from(rejection: Rejection) -> Declined {
        Declined { rejection, rule: None }
    }
}

impl Declined {
    pub(crate) fn refused() -> Declined {
        Rejection::clear(Reject::Refused).into()
    }

    /// Answered with a verdict under seal.
    fn with(mut proven: Proven, verdict: Verdict, rule: Option<ProtocolError>) -> Declined {
        proven.answer.verdict = Some(verdict);
        let packet = final_packet(&mut proven.established.keys, proven.answer);
        Declined {
            rejection: Rejection { packet },
            rule,
        }
    }
}

impl Identity {
    /// A RESUME.
    ///
    /// # Errors
    /// Its proof is not accepted. Nothing changed, but for the counter and the count of attempts.
    pub(crate) fn adopt_resume(
        &mut self,
        at: &mut Adopting<'_>,
        counter: u64,
        packet: &[u8],
    ) -> Result<Adopted, Declined> {
        let Some(ticket) = self.ticket.as_mut() else {
            return Err(Declined::refused());
        };
        let secrets = [Some(&ticket.secret), ticket.candidate.as_ref()];
        let resume = ServerResume::open(secrets, packet, at.rng).map_err(|_| Declined::refused())?;
        if counter <= ticket.counter {
            return Err(Declined::refused());
        }
        // What is authentic and wrong ends its connection, and uses nothing up.
        let which = resume.which;
        let claim = resume.claim.ok_or(Rejection::SILENT)?;
        let planned = claim.alive && at.may_swap;
        // The answer waits until all that was taken is kept: whatever is taken of another than this client is not its own.
        let stated = at.ledger.standing();
        let (answer, keys, secret) = resume.answer(stated, planned).map_err(|_| Rejection::SILENT)?;
        ticket.counter = counter;
        if let Err(after) = self.attempts.take(at.now, at.max_attempts) {
            return Err(Rejection::retry(after).into());
        }
        // The candidate's secret was used: the client has it, so the older one is over.
        let promoted = which == 1 && ticket.promote();
        let attach = Attach {
            stated: claim.position,
            may_be_old: claim.alive,
            planned,
        };
        ticket.candidate = Some(secret);
        ticket.publish();
        Ok(Adopted {
            outgoing: Some(answer),
            keys,
            attach,
            promoted,
        })
    }

    /// A full handshake that names this session as its predecessor.
    ///
    /// # Errors
    /// As [`adopt_resume`](Self::adopt_resume); the client gets a sealed answer. Or the position that it states contradicts
    /// the session's: its proof is fresh, so that this is its word, and there is nothing to wait for.
    pub(crate) fn adopt_proven(&mut self, at: &mut Adopting<'_>, mut proven: Proven) -> Result<Adopted, Declined> {
        let mut answer = proven.answer.clone();
        let named = proven.offer.predecessor.as_ref();
        let known = named
            .zip(self.ticket.as_mut())
            .and_then(|(named, ticket)| Some((ticket.known_to(named, &proven.hash_after_2)?, named, ticket)));
        let Some((which, named, ticket)) = known else {
            return Err(Declined::with(proven, Verdict::Superseded, None));
        };
        ticket.counter = named.counter;
        let stated = named.position;
        if let Err(rule) = at.closing.judge(Stated::Present, stated, at.ledger) {
            let position = at.ledger.stated();
            let verdict = Verdict::StateLost { position };
            return Err(Declined::with(proven, verdict, Some(rule)));
        }
        if let Err(after) = self.attempts.take(at.now, at.max_attempts) {
            let alternate = Bytes::new();
            let later = Refusal::RetryLater { after, alternate };
            return Err(later.seal(&mut proven.established.keys).into());
        }
        let promoted = which == 1 && ticket.promote();
        // As with RESUMED.
        let position = at.ledger.standing();
        answer.verdict = Some(Verdict::Resumed { position });
        let packet = final_packet(&mut proven.established.keys, answer);
        ticket.candidate = Some(proven.established.secret);
        ticket.publish();
        Ok(Adopted {
            outgoing: packet,
            keys: proven.established.keys,
            attach: Attach::of_handshake(stated),
            promoted,
        })
    }
}

impl Ticket {
    /// The candidate's secret is the session's. Whether there was one.
    pub(crate) fn promote(&mut self) -> bool {
        let newer = self.candidate.take();
        newer.map(|newer| self.secret = newer).is_some()
    }

    /// Which of the secrets, the confirmed one (0) or the candidate's (1), the client knows that names this session.
    fn known_to(&self, named: &Predecessor, handshake_hash: &[u8; 32]) -> Option<usize> {
        if named.id != self.id.0 || named.counter <= self.counter {
            return None;
        }
        let opens = |secret: &ResumptionSecret| secret.verifier().check(handshake_hash, &named.mac);
        let secrets = [Some(&self.secret), self.candidate.as_ref()];
        secrets.iter().position(|secret| secret.is_some_and(opens))
    }
}
