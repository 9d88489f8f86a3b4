//! Sessions of a server that outlive its process.

use std::pin::Pin;
use std::sync::Arc;

use futures_channel::mpsc;
use unbroken_proto::SessionId;
use unbroken_proto::durable::RestoreError;
use unbroken_proto::server::Request;
use unbroken_proto::session::StoreFailure;

use super::backlog::Accepted;
use super::handle::ServerHandle;
use super::listed::Listed;
use super::pending::NewSession;
use super::taking::Taking;
use crate::driver::{Driver, Routed};
use crate::durable::{DurableError, open_new, unless_released};
use crate::keeper::Keeper;
use crate::session::Session;
use crate::state::Shared;
use crate::store::{Fence, JournalId, Opened, Store, StoreError};
use crate::together::together;

/// How many journals are opened at the same time, since a store writes down each new owner, and what that costs is shared by those that wait for it.
const OPENED_AT_ONCE: usize = 64;

/// Drives a session that was restored to its end.
pub type Driving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What came of restoring the sessions of a store.
#[derive(Default)]
#[must_use = "nothing moves until the futures are spawned"]
pub struct Restoration {
    /// Each session, and what drives it to its end: to be spawned.
    pub sessions: Vec<(SessionId, Driving)>,
    /// What could not be restored, and why. It stays in the store.
    pub failed: Vec<(JournalId, DurableError)>,
}

impl std::fmt::Debug for Restoration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.sessions.iter().map(|(id, _)| id);
        f.debug_struct("Restoration")
            .field("sessions", &ids.collect::<Vec<_>>())
            .field("failed", &self.failed)
            .finish()
    }
}

/// A session that is back: who drives it, and who its client is.
struct Returned {
    shared: Arc<Shared>,
    request: Request,
    routed: mpsc::Receiver<Routed>,
}

/// The journal of a server's session is named after it.
pub(super) fn journal_of(session: SessionId) -> Option<JournalId> {
    session.to_string().parse().ok()
}

/// The session of a server whose journal it is, by its name.
pub(super) fn session_of(id: &JournalId) -> Option<SessionId> {
    let digits = id.as_str().as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect();
    Some(SessionId(bytes?.try_into().ok()?))
}

impl ServerHandle {
    /// Keeps the sessions that are admitted from now on in `store`, each under its id in hexadecimal digits; the configuration says how that is protected
    /// ([`SessionConfig::durable`](unbroken_proto::SessionConfig::durable)). A session's client hears of it once it is kept; of a
    /// session that is over a tombstone stays there for [its lifetime](unbroken_proto::ServerConfig::tombstone_lifetime) (none, where there are to be none), so that the client
    /// learns how it ended also from another process. One whose last handle is dropped goes on in the process that restores it, and nobody else: what is
    /// to end is closed. Durable sessions without a store end as [`StorageFailed`](unbroken_proto::event::EndReason::StorageFailed) before
    /// their clients hear of them.
    pub fn keep_in(&self, store: Arc<dyn Store>) {
        self.with(|state, _, _| state.store = Some(store));
    }

    /// Why a session whose client came could not be looked up in the store, or taken over, the last time that was so: its client was told to come
    /// later. A store that cannot be reached, another key than the one it was sealed with, damage.
    #[must_use]
    pub fn lookup_error(&self) -> Option<Arc<DurableError>> {
        self.with(|state, _, _| state.lookup_error.clone())
    }

    /// Takes in what is kept in the store of [`keep_in`](Self::keep_in) and no living process owns, as far as the store
    /// [knows](Store::abandoned). Each session then waits for its client, for its lifetime, and is [accepted](Self::accept) again. A session whose
    /// client comes before is looked up by itself; but what nobody takes in stays in the store for good, so that this should be called at the start, and in a
    /// fleet now and then.
    ///
    /// # Errors
    /// The store does not say what it keeps. What is wrong with one session is told beside the others.
    pub async fn restore(self: &Arc<Self>) -> Result<Restoration, StoreError> {
        let mut restoration = Restoration::default();
        let Some(store) = self.with(|state, _, _| state.store.clone()) else {
            return Ok(restoration);
        };
        let mut ids = store.abandoned().await?;
        ids.retain(|id| session_of(id).is_some());
        for group in ids.chunks(OPENED_AT_ONCE) {
            let outcomes = together(group.iter().map(|id| self.restore_abandoned(&store, id))).await;
            for (id, outcome) in group.iter().zip(outcomes) {
                match outcome {
                    Ok(Some(restored)) => restoration.sessions.push(restored),
                    // Another process was faster.
                    Ok(None) => {}
                    // Its client came before, or it was restored when this was called before; or it is over.
                    Err(DurableError::Restore(RestoreError::Held | RestoreError::Over)) => {}
                    Err(error) => restoration.failed.push((id.clone(), error)),
                }
            }
        }
        Ok(restoration)
    }

    /// Makes this process the owner of a session that is kept, if it has no other one by now.
    async fn restore_abandoned(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        id: &JournalId,
    ) -> Result<Option<(SessionId, Driving)>, DurableError> {
        let _taking = self.taking(id)?;
        match store.open_abandoned(id).await? {
            Some(opened) => self.take_over(store, id, opened).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes this process the owner of a session that is kept.
    pub(super) async fn restore_one(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        id: &JournalId,
    ) -> Result<(SessionId, Driving), DurableError> {
        let _taking = self.taking(id)?;
        let opened = store.open(id).await?;
        self.take_over(store, id, opened).await
    }

    fn taking(&self, id: &JournalId) -> Result<Taking<'_>, RestoreError> {
        let session = session_of(id).ok_or(RestoreError::Side)?;
        Taking::new(self, session).ok_or(RestoreError::Held)
    }

    async fn take_over(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        id: &JournalId,
        opened: Opened,
    ) -> Result<(SessionId, Driving), DurableError> {
        let fence = opened.fence;
        let taken = self.with(|state, now, wakes| {
            let (pieces, away) = (opened.journal.pieces(), opened.journal.written_ago);
            let (session, request) = state.registry.restore(now, &pieces, away)?;
            let id = session.id().ok_or(RestoreError::Side)?;
            let (shared, routed) = state.take_in(now, session);
            state.on_change(wakes);
            let returned = Returned {
                shared,
                request,
                routed,
            };
            Ok::<_, RestoreError>((id, returned))
        });
        let (session, returned) = unless_released(store, id, fence, taken).await?;
        let keeper = self.keeper(Arc::clone(store), id.clone(), fence);
        // Should it be dropped before it begins, nothing stays in the tables.
        let listed = self.listed(session);
        let driving = Arc::clone(self).drive_restored((session, listed), returned, keeper);
        Ok((session, Box::pin(driving)))
    }

    async fn drive_restored(self: Arc<Self>, (id, _listed): (SessionId, Listed), returned: Returned, keeper: Keeper) {
        let Returned {
            shared,
            request,
            routed,
        } = returned;
        let session = Session::new(Arc::clone(&shared));
        session.begin_restored();
        let is_provisional = !shared.read(|state| state.established);
        let driver = Driver::new(shared, self.timer(), self.source(routed)).with_keeper(keeper);
        let accepted = Accepted {
            session,
            request,
            is_restored: true,
        };
        if is_provisional {
            return self.drive_to_end(accepted, driver).await;
        }
        self.announce(id, accepted);
        driver.await;
    }

    fn keeper(&self, store: Arc<dyn Store>, id: JournalId, fence: Fence) -> Keeper {
        let lifetime = self.with(|state, _, _| state.registry.tombstone_lifetime());
        Keeper::new(store, id, fence).with_tombstone(lifetime)
    }

    /// Who writes down what a new session has to keep, if sessions are kept. One whose store does not answer is over.
    pub(super) async fn keeper_of(&self, new: &NewSession) -> Option<Keeper> {
        let is_durable = new.shared.read(|state| state.machine.is_durable());
        let id = new.id.and_then(journal_of).filter(|_| is_durable)?;
        let store = self.with(|state, _, _| state.store.clone());
        let opened = match &store {
            Some(store) => open_new(store, &id).await,
            None => Err(StoreError::Failed("sessions are durable, and there is no store".into())),
        };
        match opened {
            Ok(fence) => Some(self.keeper(store?, id, fence)),
            Err(error) => {
                new.shared.call(|state, now| {
                    state.store_error = Some(Arc::new(error));
                    state.machine.handle_store_failed(now, StoreFailure::Failed);
                });
                None
            }
        }
    }
}
