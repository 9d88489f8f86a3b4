//! Clients of sessions that are not held here, where sessions may be kept elsewhere.

use alloc::sync::Arc;

use bytes::Bytes;

use super::routing::Registry;
use crate::accept::{Incoming, IncomingKind, Rejection, SOON, final_packet};
use crate::config::SessionConfig;
use crate::durable::RestoreError;
use crate::id::SessionId;
use crate::rng::Rng;
use crate::security::{ResumeSecrets, ServerResume};
use crate::server::route::{Admission, Placement, Recognition};
use crate::session::{Remains, Session};
use crate::time::{Duration, Instant};
use crate::trace;
use crate::wire::frame::Verdict;
use crate::wire::handshake::Reject;

impl Registry {
    /// Whether sessions that are not held here may be kept elsewhere, by a process before this one or one beside it. While it is so, nothing final is
    /// said of a session before it was looked up: see [`Route::Lookup`](crate::server::Route::Lookup). Without effect where sessions are not
    /// [durable](crate::SessionConfig::durable).
    pub fn set_lookup(&mut self, lookup: bool) {
        self.lookup = lookup && self.session.durable.is_some();
    }

    /// Who tells the client of a session by what is kept of it; `None` if the session ended here. It needs the registry no more, since telling takes as
    /// long as restoring.
    pub fn recogniser(&mut self, session: SessionId) -> Option<Recogniser> {
        (!self.is_over(session)).then(|| Recogniser {
            config: Arc::clone(&self.session),
            rng: self.rng.fork(),
        })
    }

    /// The session that `incoming` wants is kept, and [recognises](Recogniser::recognises) it. To be asked before the session is taken over: a RESUME
    /// counts towards [`resume_rate`](crate::ServerConfig::resume_rate) here as one of a session that is held, since the clients of a node that died
    /// come all at once.
    ///
    /// # Errors
    /// There were too many; the packet says when to come again.
    pub fn charge_lookup(&mut self, now: Instant, incoming: &Incoming) -> Result<(), Rejection> {
        let IncomingKind::Resume { .. } = incoming.kind else {
            return Ok(());
        };
        let now = self.advance(now);
        self.charge_resume(now, true).map_err(|after| {
            self.pending.leave(incoming.connection);
            Rejection::retry(after)
        })
    }

    /// The session that `incoming` wants is kept, and [recognises](Recogniser::recognises) it not: what an owner says to such a one.
    pub fn unrecognised(&mut self, now: Instant, incoming: Incoming) -> Rejection {
        self.handle_timeout(now);
        self.pending.leave(incoming.connection);
        match incoming.kind {
            IncomingKind::Proven(mut proven) => {
                self.refused.unknown += 1;
                proven.answer.verdict = Some(Verdict::Superseded);
                Rejection {
                    packet: final_packet(&mut proven.established.keys, proven.answer),
                }
            }
            IncomingKind::Resume { .. } => self.not_held(),
            IncomingKind::Handshake(_) | IncomingKind::Failed => Rejection::SILENT,
        }
    }

    /// The session that `incoming` wants is not kept elsewhere. A RESUME is refused; a proven client gets what [`admit`](Self::admit) gives where
    /// nothing is looked up.
    pub fn absent(&mut self, now: Instant, incoming: Incoming, placement: &Placement) -> Admission {
        let now = self.advance(now);
        match incoming.kind {
            IncomingKind::Resume { .. } => Admission::Reject(self.not_held()),
            _ => self.admit_known(now, incoming, placement),
        }
    }

    /// Whether the session that `incoming` wants is kept elsewhere cannot be known now, or its owner does not give it up: its client is told to come
    /// later.
    pub fn later(&mut self, now: Instant, incoming: Incoming) -> Rejection {
        self.handle_timeout(now);
        self.pending.leave(incoming.connection);
        trace::refused_stranger("its session cannot be looked up");
        self.put_off(incoming.kind, Rejection::retry(SOON))
    }

    pub(super) fn not_held(&mut self) -> Rejection {
        trace::refused_stranger("not a RESUME of a session held here");
        self.refused.unknown += 1;
        Rejection::clear(Reject::Refused)
    }

    /// Whether the session ended here, and not because it may go on elsewhere.
    pub(super) fn is_over(&self, id: SessionId) -> bool {
        self.tombstones.contains(id) && !self.tombstones.is_elsewhere(id)
    }
}

/// Tells whether a connection comes from the client of a session, by what is kept of that.
pub struct Recogniser {
    config: Arc<SessionConfig>,
    rng: Rng,
}

impl core::fmt::Debug for Recogniser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Recogniser(..)")
    }
}

impl Recogniser {
    /// Whether `incoming` proves that it comes from the client of the session that is kept as `journal` (as in [`Registry::restore`]). Who
    /// merely knows a session's id, which is no secret, must not be able to have it moved here. Changes nothing; the session's owner, who may be
    /// another process, decides about the connection. It takes as long as restoring the session.
    ///
    /// # Errors
    /// As [`Registry::restore`].
    pub fn recognises(
        mut self,
        now: Instant,
        incoming: &Incoming,
        journal: &[Bytes],
        away: Option<Duration>,
    ) -> Result<Recognition, RestoreError> {
        let (secrets, rng) = (Arc::new(ResumeSecrets::default()), self.rng.fork());
        let session = match Session::restored_server(&self.config, Arc::clone(&secrets), journal, (now, away), rng) {
            Err(RestoreError::Over) => return self.recognises_late(incoming, journal),
            restored => restored?,
        };
        let id = session.id().ok_or(RestoreError::Side)?;
        let kept = session.counter();
        let secrets = secrets.read();
        Ok(match &incoming.kind {
            // One that was seen before may open, too, as long as the secret that came with it is not kept: it proves nothing.
            IncomingKind::Resume { clear, packet } if Some(clear.counter) > kept => {
                let opened = ServerResume::open(secrets.each_ref().map(Option::as_ref), packet, &mut self.rng);
                opened.map_or(Recognition::Other, |_| Recognition::Client)
            }
            IncomingKind::Proven(proven) => {
                let Some(named) = proven.offer.predecessor.as_ref().filter(|named| named.id == id.0) else {
                    return Ok(Recognition::Other);
                };
                let mut secrets = secrets.iter().flatten();
                match secrets.any(|secret| secret.verifier().check(&proven.hash_after_2, &named.mac)) {
                    true if Some(named.counter) > kept => Recognition::Client,
                    // Who has a newer secret has attached with it, and counted on.
                    false if Some(named.counter) > kept => Recognition::Unsure,
                    _ => Recognition::Other,
                }
            }
            IncomingKind::Resume { .. } | IncomingKind::Handshake(_) | IncomingKind::Failed => Recognition::Other,
        })
    }

    /// A session that is over is resumed by nobody; what is left of it is for its client only.
    fn recognises_late(&self, incoming: &Incoming, journal: &[Bytes]) -> Result<Recognition, RestoreError> {
        let Remains { tombstone, .. } = Remains::read(&self.config, journal)?;
        let IncomingKind::Proven(proven) = &incoming.kind else {
            return Ok(Recognition::Over);
        };
        let named = proven.offer.predecessor.as_ref();
        let named = named.filter(|named| named.id == tombstone.id.0);
        let is_client = named.is_some_and(|named| tombstone.is_proven_by(&proven.hash_after_2, named));
        Ok(if is_client {
            Recognition::Over
        } else {
            Recognition::Other
        })
    }
}
