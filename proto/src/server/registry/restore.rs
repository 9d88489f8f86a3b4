//! Sessions that a process before this one held, taken in again.

use alloc::sync::Arc;

use bytes::Bytes;

use super::routing::Registry;
use crate::accept::Request;
use crate::durable::RestoreError;
use crate::id::Carrier;
use crate::security::ResumeSecrets;
use crate::server::index::Key;
use crate::server::table::Entry;
use crate::session::{Remains, Session};
use crate::time::{Duration, Instant};

impl Registry {
    /// A session that goes on where a process before left it: see [`Session::restore`]. It is detached, and its client may resume
    /// it, from now on. Limits of how many there may be are not asked: it was let in before. Beside it comes what its client asked for
    /// then, without the credential.
    ///
    /// # Errors
    /// Nothing is kept, it is damaged, or it is not that of such a session. [`RestoreError::Held`]: it is held here already.
    /// [`RestoreError::Over`]: the session is over, and from now on its client is told how by this registry, too.
    pub fn restore(
        &mut self,
        now: Instant,
        journal: &[Bytes],
        away: Option<Duration>,
    ) -> Result<(Session, Request), RestoreError> {
        self.handle_timeout(now);
        let secrets = Arc::new(ResumeSecrets::default());
        let rng = self.rng.fork();
        let session = match Session::restored_server(&self.session, Arc::clone(&secrets), journal, (now, away), rng) {
            Err(RestoreError::Over) => {
                self.remember(now, journal)?;
                return Err(RestoreError::Over);
            }
            restored => restored?,
        };
        let (Some(id), Some(client_key)) = (session.id(), session.peer_key()) else {
            return Err(RestoreError::Side);
        };
        if self.sessions.contains(id) || self.is_over(id) {
            return Err(RestoreError::Held);
        }
        self.tombstones.recall(id);
        let registered = session.registered();
        let identity = Key::from(&registered.identity[..]);
        let entry = Entry::provisional(now, client_key, &registered.name, identity, secrets);
        self.admitted += 1;
        self.sessions.insert(id, entry);
        for label in &registered.labels {
            self.label(now, id, label);
        }
        let request = Request {
            client_key,
            secret_hint: None,
            name: registered.name,
            credential: Bytes::new(),
            predecessor: None,
            carrier: Carrier::ordered(),
        };
        Ok((session, request))
    }

    /// For how long what is left of a session is to be kept, where sessions are kept: as long as a tombstone is here. `None`: there are none
    /// ([`max_tombstones`](crate::ServerConfig::max_tombstones) is 0).
    #[must_use]
    pub fn tombstone_lifetime(&self) -> Option<Duration> {
        (self.config.max_tombstones > 0).then_some(self.config.tombstone_lifetime)
    }

    /// What is [left](Session::remains) of a session that is over is remembered as if it had ended here now, so that its client is told how.
    ///
    /// # Errors
    /// It is damaged, or not that. [`RestoreError::Held`]: the session is held here.
    pub fn remember(&mut self, now: Instant, journal: &[Bytes]) -> Result<(), RestoreError> {
        let now = self.advance(now);
        let Remains { client, tombstone } = Remains::read(&self.session, journal)?;
        if self.sessions.contains(tombstone.id) {
            return Err(RestoreError::Held);
        }
        // That it may have gone on elsewhere is settled.
        self.tombstones.recall(tombstone.id);
        self.tombstones.entomb(now, client, tombstone);
        Ok(())
    }
}
