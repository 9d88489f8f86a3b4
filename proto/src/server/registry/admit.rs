//! Decides what a proven client gets: a new session, the way to the one it had, or a refusal.

#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::routing::Registry;
use crate::accept::{Incoming, IncomingKind, Proven, Refusal, Rejection, SessionCommand, final_packet, millis};
use crate::config::{SameName, WhenDetachedFull};
use crate::durable::Registered;
use crate::id::SessionId;
use crate::limits::MAX_LABEL;
use crate::security::ResumeSecrets;
use crate::server::index::Key;
use crate::server::info::SessionStatus;
use crate::server::route::{Admission, Placement};
use crate::server::table::Entry;
use crate::session::Session;
use crate::time::Instant;
use crate::trace;
use crate::wire::frame::Verdict;
use crate::wire::handshake::Reject;

impl Registry {
    /// A proven handshake that the host accepts: makes the session, or names the owner of the
    /// predecessor that the client would rather go on with.
    ///
    /// A new session is provisional, hidden from [`sessions`](Self::sessions), until its first
    /// authentic packet. If the client asked for a predecessor that is over or unknown, FINAL tells it
    /// so and offers the new session instead.
    ///
    /// An `incoming` that is not proven, or was displaced or timed out meanwhile, is rejected; so is
    /// any when [`max_sessions`](crate::ServerConfig::max_sessions) are held.
    pub fn admit(&mut self, now: Instant, incoming: Incoming) -> Admission {
        self.admit_as(now, incoming, &Placement::default())
    }

    /// The same, with what the host has to say about the session.
    pub fn admit_as(&mut self, now: Instant, incoming: Incoming, placement: &Placement) -> Admission {
        let now = self.advance(now);
        match self.missing_predecessor(&incoming) {
            Some(session) => Admission::Lookup { session, incoming },
            None => self.admit_known(now, incoming, placement),
        }
    }

    /// What is to be looked up before anything can be said of it. Also where the session is held, and does not know the proof: another process may
    /// have gone on with it.
    fn missing_predecessor(&self, incoming: &Incoming) -> Option<SessionId> {
        let IncomingKind::Proven(proven) = &incoming.kind else {
            return None;
        };
        let named = proven.offer.predecessor.as_ref().filter(|_| self.lookup)?;
        let id = SessionId(named.id);
        let mut secrets = self.sessions.resume_secrets(id).into_iter().flatten();
        let is_known =
            self.is_over(id) || secrets.any(|secret| secret.verifier().check(&proven.hash_after_2, &named.mac));
        (!is_known && self.pending.holds(incoming.connection)).then_some(id)
    }

    /// Where it is known whether the predecessor is held.
    pub(super) fn admit_known(&mut self, now: Instant, incoming: Incoming, placement: &Placement) -> Admission {
        let in_time = self.pending.leave(incoming.connection);
        let Incoming {
            connection,
            deadline,
            kind,
        } = incoming;
        let proven = match kind {
            IncomingKind::Proven(proven) if in_time => proven,
            kind => return Admission::Reject(self.too_late(kind)),
        };
        if let Some(session) = proven
            .offer
            .predecessor
            .as_ref()
            .map(|predecessor| SessionId(predecessor.id))
            && self.sessions.contains(session)
        {
            let kind = IncomingKind::Proven(proven);
            return Admission::Resume {
                session,
                incoming: Incoming {
                    connection,
                    deadline,
                    kind,
                },
            };
        }
        self.open(now, *proven, placement)
    }

    /// Whether as many sessions as may be wait for the host to accept them. While it is so, clients that want a new one are
    /// told to come later; sessions that are held can be resumed.
    pub fn set_backlog_full(&mut self, full: bool) {
        self.backlog_full = full;
    }

    /// What FINAL says about a predecessor that is not held here; `None` if none was named.
    pub(super) fn verdict(&self, now: Instant, proven: &Proven) -> Option<Verdict> {
        let predecessor = proven.offer.predecessor.as_ref()?;
        if self.tombstones.is_elsewhere(SessionId(predecessor.id)) {
            // It may have been confirmed where it went, and is not there any more: that proves nothing of what was delivered.
            return Some(Verdict::Unknown { reach: 0 });
        }
        let entombed = self.tombstones.verdict(predecessor, &proven.hash_after_2);
        Some(entombed.unwrap_or_else(|| Verdict::Unknown {
            reach: millis(self.tombstones.reach(now, &proven.established.peer_key)),
        }))
    }

    /// A new session for a proven client, if there is room.
    fn open(&mut self, now: Instant, mut proven: Proven, placement: &Placement) -> Admission {
        let named = proven.offer.predecessor.as_ref();
        if !self.lookup && named.is_some_and(|named| self.tombstones.is_elsewhere(SessionId(named.id))) {
            return Admission::Reject(Refusal::soon().seal(&mut proven.established.keys));
        }
        proven.answer.verdict = self.verdict(now, &proven);
        let id = proven.established.id;
        if self.sessions.contains(id) || self.tombstones.contains(id) {
            trace::refused_stranger("too late");
            self.refused.too_late += 1;
            return Admission::Reject(Refusal::soon().seal(&mut proven.established.keys));
        }
        let client_key = proven.established.peer_key;
        let identity = Key::from(match &*placement.identity {
            [] => &client_key.0[..],
            named => &named[..named.len().min(MAX_LABEL)],
        });
        if let Err(refusal) = self.judge(now, &identity, &proven.request.name) {
            return Admission::Reject(turn_away(proven, refusal));
        }
        let secrets = Arc::new(ResumeSecrets::default());
        let registered = self.session.durable.as_ref().map(|_| Registered {
            name: proven.request.name.clone(),
            identity: identity.to_vec(),
            labels: placement.labels.clone(),
        });
        let entry = Entry::provisional(now, client_key, &proven.request.name, identity, Arc::clone(&secrets));
        self.admitted += 1;
        let seed = self.rng.fork();
        let (mut session, epoch) = Session::accepted(now, &self.session, secrets, seed, proven);
        session.register(registered);
        self.sessions.insert(id, entry);
        for label in &placement.labels {
            self.label(now, id, label);
        }
        Admission::New { session, epoch }
    }

    /// Whether another session may be let in.
    fn judge(&mut self, now: Instant, identity: &Key, name: &str) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusal_of_drain(now) {
            trace::refused_stranger("draining");
            self.refused.draining += 1;
            return Err(refusal);
        }
        if self.backlog_full {
            trace::refused_stranger("too many wait to be accepted");
            self.refused.no_room += 1;
            return Err(Refusal::soon());
        }
        let refuses = self.config.when_detached_full == WhenDetachedFull::RefuseNew;
        let spent = self.sessions.detached_bytes() > self.config.max_detached_bytes;
        if self.sessions.load() >= self.config.max_sessions || (refuses && spent) {
            trace::refused_stranger("no room");
            self.refused.no_room += 1;
            return Err(Refusal::Busy);
        }
        let most = self.config.max_sessions_per_identity;
        if self.sessions.of_identity(identity, most) >= most {
            trace::refused_stranger("its identity's limit");
            self.refused.identity_limit += 1;
            return Err(Refusal::Busy);
        }
        let mut named = self.sessions.named(identity, name.as_bytes()).map(|(_, status)| status);
        let taken = match self.config.same_name {
            SameName::Allow | SameName::Replace => Ok(()),
            SameName::Keep if named.next().is_some() => Err(Refusal::Busy),
            SameName::KeepHealthy if named.any(SessionStatus::is_healthy) => Err(Refusal::soon()),
            SameName::Keep | SameName::KeepHealthy => Ok(()),
        };
        if taken.is_err() {
            trace::refused_stranger("name taken");
            self.refused.same_name += 1;
            return taken;
        }
        self.identity_sessions.take(now, identity).map_err(|after| {
            trace::refused_stranger("its identity's limit");
            self.refused.identity_limit += 1;
            Refusal::RetryLater {
                after,
                alternate: Bytes::new(),
            }
        })
    }

    /// A newcomer is established: those it takes its name from go, or it does.
    pub(super) fn replace_namesakes(&mut self, newcomer: SessionId) {
        let replaced = match self.config.same_name {
            SameName::Allow => Vec::new(),
            // With `Keep` there is one only if two were admitted before either was established.
            SameName::Keep | SameName::KeepHealthy | SameName::Replace => self.sessions.namesakes(newcomer),
        };
        let keeps = self.config.same_name == SameName::KeepHealthy;
        let carried = |id: &SessionId| self.sessions.status(*id).is_some_and(SessionStatus::is_healthy);
        if keeps && replaced.iter().any(carried) {
            // It was detached when the newcomer was let in, and has come back since.
            return self.commands.put(newcomer, SessionCommand::Replace);
        }
        for older in replaced {
            self.commands.put(older, SessionCommand::Replace);
        }
    }

    /// A proven handshake that the host refuses. Returns the packet to send before closing; there is
    /// none if `incoming` is not proven.
    pub fn refuse(&mut self, now: Instant, incoming: Incoming, refusal: Refusal) -> Rejection {
        self.handle_timeout(now);
        self.pending.leave(incoming.connection);
        match incoming.kind {
            IncomingKind::Proven(mut proven) => {
                trace::refused_stranger("by the host");
                self.refused.by_host += 1;
                refusal.seal(&mut proven.established.keys)
            }
            kind => self.too_late(kind),
        }
    }

    /// The owner that [`Route::Resume`](crate::server::Route::Resume) or [`Admission::Resume`] named cannot take the connection: it
    /// is gone, or has too many waiting already. The client is answered as one that may try again, and
    /// nothing changes here. If the owner is gone without a last report, say
    /// [`lost`](Self::lost), too.
    pub fn orphan(&mut self, now: Instant, incoming: Incoming) -> Rejection {
        self.handle_timeout(now);
        self.pending.leave(incoming.connection);
        self.too_late(incoming.kind)
    }

    fn too_late(&mut self, kind: IncomingKind) -> Rejection {
        trace::refused_stranger("too late");
        self.put_off(kind, Rejection::clear(Reject::Refused))
    }

    /// It may come again. `resume`: what a RESUME hears.
    pub(super) fn put_off(&mut self, kind: IncomingKind, resume: Rejection) -> Rejection {
        self.refused.too_late += 1;
        match kind {
            IncomingKind::Proven(mut proven) => Refusal::soon().seal(&mut proven.established.keys),
            IncomingKind::Resume { .. } => resume,
            IncomingKind::Handshake(_) | IncomingKind::Failed => Rejection::SILENT,
        }
    }
}

/// The answer to a client that gets no session.
fn turn_away(mut proven: Proven, refusal: Refusal) -> Rejection {
    let keys = &mut proven.established.keys;
    match &proven.answer.verdict {
        None => refusal.seal(keys),
        // The client goes on with a session made here: it has to come again.
        Some(Verdict::Unknown { .. }) => Refusal::soon().seal(keys),
        // Telling what became of the old session needs no room.
        Some(_) => Rejection {
            packet: final_packet(keys, proven.answer),
        },
    }
}
