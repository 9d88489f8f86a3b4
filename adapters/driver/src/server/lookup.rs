//! Sessions that are kept in the store, and not held here: a client comes for one.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use unbroken_proto::durable::RestoreError;
use unbroken_proto::server::{Incoming, Placement, Recognition, Registry, Rejection};
use unbroken_proto::session::StoreFailure;
use unbroken_proto::{Instant, SessionId};

use super::durable::{Driving, journal_of};
use super::handle::ServerHandle;
use super::pending::{Arrival, PendingConnection, Wanted};
use super::taking::Taking;
use crate::clock::Timer;
use crate::durable::DurableError;
use crate::state::Shared;
use crate::store::{JournalId, Store, StoreError, StoreFuture};

/// Sessions that are looked up at the same time, at most. Anybody can ask for one, and the store has other work.
const LOOKUPS: usize = 64;

/// What came of looking for a session.
enum Found {
    /// It is held here from now on. If it was restored for that, who drives it.
    Held(Option<Driving>),
    /// It is kept, and this is not its client.
    Unrecognised,
    /// Nothing is kept.
    Absent,
    /// That cannot be known now.
    Later,
    /// Too many come at once.
    Busy(Rejection),
}

impl ServerHandle {
    /// Looks for the session that a connection wants, and says what becomes of the connection; with a session that was restored for it, who
    /// drives that.
    pub(super) async fn look_up(
        self: &Arc<Self>,
        pending: &mut PendingConnection,
        wanted: Wanted,
    ) -> (Arrival, Option<Driving>) {
        let Wanted {
            session,
            held,
            incoming,
            asked,
        } = wanted;
        let found = self.find_kept((session, held), &incoming, asked.is_some()).await;
        let rejected = |ask: fn(&mut Registry, Instant, Incoming) -> Rejection, incoming| {
            Arrival::Rejected(self.with(|state, now, _| ask(&mut state.registry, now, incoming)))
        };
        let (arrival, driving) = match (found, asked) {
            (Found::Held(driving), None) => (Arrival::Known { session, incoming }, driving),
            (Found::Held(driving), asked) => {
                let ask =
                    |registry: &mut Registry, now, placement: &Placement| registry.admit_as(now, incoming, placement);
                (pending.admit(asked, ask), driving)
            }
            (Found::Absent, asked) => {
                let ask =
                    |registry: &mut Registry, now, placement: &Placement| registry.absent(now, incoming, placement);
                (pending.admit(asked, ask), None)
            }
            (Found::Unrecognised, _) => (rejected(Registry::unrecognised, incoming), None),
            (Found::Later, _) => (rejected(Registry::later, incoming), None),
            (Found::Busy(rejection), _) => (Arrival::Rejected(rejection), None),
        };
        match arrival {
            // It was held a moment ago.
            Arrival::Lookup(wanted) => (rejected(Registry::later, wanted.incoming), driving),
            arrival => (arrival, driving),
        }
    }

    async fn find_kept(
        self: &Arc<Self>,
        (session, held): (SessionId, Option<Arc<Shared>>),
        incoming: &Incoming,
        is_proven: bool,
    ) -> Found {
        let (Some(id), Some(_counted)) = (journal_of(session), Counted::new(self)) else {
            return Found::Later;
        };
        let (store, recogniser) = self.with(|state, _, _| (state.store.clone(), state.registry.recogniser(session)));
        // What ended here is told to who proves himself.
        let (Some(store), Some(recogniser)) = (store, recogniser) else {
            return if is_proven { Found::Later } else { Found::Absent };
        };
        let mut timer = self.timer();
        // Its client gives up at about that time, and is to hear before that it shall come again.
        let now = timer.now();
        let half = now + incoming.deadline().saturating_since(now) / 2;
        let kept = match by(&mut timer, half, store.read(&id)).await {
            Ok(kept) => kept,
            Err(error) => return self.fails(error.into()),
        };
        let pieces = kept.pieces();
        if pieces.is_empty() {
            return match is_proven {
                true => self.absent_for_certain(session, &store, &id).await,
                // The client is not told more than that it has to prove itself.
                false => Found::Absent,
            };
        }
        match recogniser.recognises(self.timer().now(), incoming, &pieces, kept.written_ago) {
            Ok(Recognition::Client) => {
                if let Err(rejection) = self.with(|state, now, _| state.registry.charge_lookup(now, incoming)) {
                    return Found::Busy(rejection);
                }
            }
            Ok(Recognition::Other) => return Found::Unrecognised,
            Ok(Recognition::Over) => {
                return match held {
                    Some(stale) => self.displace(session, &stale),
                    // The client is told what is remembered.
                    None if is_proven => self.remember(&pieces),
                    None => Found::Unrecognised,
                };
            }
            Ok(Recognition::Unsure) => return Found::Later,
            Err(error) => {
                let found = self.fails(error.into());
                // A RESUME is refused whatever it says: its client asks again, and proves itself.
                return if is_proven { found } else { Found::Absent };
            }
        }
        match (held, self.held(session)) {
            (None, None) => match self.restore_one(&store, &id).await {
                Ok((_, driving)) => Found::Held(Some(driving)),
                // It ended meanwhile, and that is remembered.
                Err(DurableError::Restore(RestoreError::Over)) => Found::Absent,
                Err(error) => self.fails(error),
            },
            // Another connection came before.
            (None, Some(_)) => Found::Held(None),
            (Some(stale), _) => self.displace(session, &stale),
        }
    }

    /// A copy that is held here does not know what is kept: another process has gone on with the session, and it has not noticed yet.
    fn displace(&self, session: SessionId, stale: &Arc<Shared>) -> Found {
        if self.held(session).is_some_and(|present| Arc::ptr_eq(stale, &present)) {
            stale.call(|state, now| {
                if state.machine.end_reason().is_some() {
                    return;
                }
                state.machine.handle_store_failed(now, StoreFailure::Superseded);
                state.notify_driver();
            });
        }
        Found::Later
    }

    /// What was read may be behind what others have written; to open a journal is not. Somebody who is told that there is nothing gives the session up.
    async fn absent_for_certain(&self, session: SessionId, store: &Arc<dyn Store>, id: &JournalId) -> Found {
        let Some(_taking) = Taking::new(self, session) else {
            return Found::Later;
        };
        match open_empty(store, id).await {
            Ok(true) => Found::Absent,
            Ok(false) => Found::Later,
            Err(error) => self.fails(error.into()),
        }
    }

    /// The session that is kept is over: how it ended is known here from now on.
    fn remember(&self, pieces: &[Bytes]) -> Found {
        match self.with(|state, now, _| state.registry.remember(now, pieces)) {
            Ok(()) => Found::Absent,
            Err(error) => self.fails(error.into()),
        }
    }

    /// The host may ask why clients are told to come later.
    fn fails(&self, error: DurableError) -> Found {
        self.with(|state, _, _| state.lookup_error = Some(Arc::new(error)));
        Found::Later
    }

    fn held(&self, session: SessionId) -> Option<Arc<Shared>> {
        self.with(|state, _, _| state.owners.get(&session).map(|owner| Arc::clone(&owner.shared)))
    }
}

/// What the store answers by then: the client does not wait longer, and others are to be looked up.
async fn by<T>(timer: &mut Timer, deadline: Instant, mut answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
    poll_fn(|cx| {
        let answer = answer.as_mut().poll(cx);
        if answer.is_ready() {
            return answer;
        }
        let late = || StoreError::Unavailable("it did not answer in time".into());
        timer.poll_until(cx, timer.now(), deadline).map(|()| Err(late()))
    })
    .await
}

/// Whether there is nothing in the journal, which then is no more.
async fn open_empty(store: &Arc<dyn Store>, id: &JournalId) -> Result<bool, StoreError> {
    let opened = store.open(id).await?;
    let is_empty = opened.journal.pieces().is_empty();
    match is_empty {
        true => store.remove(id, opened.fence).await?,
        false => store.release(id, opened.fence).await?,
    }
    Ok(is_empty)
}

/// One of those that are looked up now.
struct Counted<'a>(&'a ServerHandle);

impl<'a> Counted<'a> {
    /// `None`: there are too many, or sessions are about to leave this process.
    fn new(server: &'a ServerHandle) -> Option<Counted<'a>> {
        server.with(|state, _, _| {
            let may = state.lookups < LOOKUPS && !state.is_over && state.registry.draining().is_none();
            may.then(|| {
                state.lookups += 1;
                Counted(server)
            })
        })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.with(|state, _, _| state.lookups -= 1);
    }
}
