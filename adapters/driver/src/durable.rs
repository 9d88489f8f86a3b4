//! Sessions that outlive their process: where a dialling one begins or goes on, and what its handle can say of it.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use unbroken_proto::StreamId;
use unbroken_proto::config::{ClientConfig, Seed};
use unbroken_proto::durable::RestoreError;
use unbroken_proto::error::ConfigError;
use unbroken_proto::event::{Ended, Tally};
use unbroken_proto::security::AtRest;
use unbroken_proto::session::StoreFailure;
use unbroken_proto::stream::RestoredStream;

use crate::clock::Clock;
use crate::connect::drive;
use crate::connector::Connector;
use crate::driver::Driver;
use crate::keeper::Keeper;
use crate::machine::plain;
use crate::runtime::Runtime;
use crate::session::Session;
use crate::state::Wait;
use crate::store::{Fence, JournalId, Opened, Store, StoreError};
use crate::stream::Stream;

/// Why a durable session did not begin, or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DurableError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store did not give what it keeps.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it keeps is not a session to go on with.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// As [`connect`](crate::connect), of a session that outlives its process: begun, or gone on with where the process before this one
/// left it, from what `store` keeps under `id`. The configuration says how that is protected
/// ([`SessionConfig::durable`](unbroken_proto::SessionConfig::durable)).
///
/// Its streams from before are those of [`Session::restored`]. Handles go with their process, so that dropping them ends nothing: when the last one
/// of the session is dropped it is left to the next process, as by [`Session::suspend`], and a stream is there again after a restart. What is
/// to end is closed, reset or stopped by name. A session that is over leaves nothing in the store.
///
/// # Errors
/// The configuration cannot work or says nothing of how to protect it, the store fails, or what it keeps is damaged.
pub async fn connect_durable<R: Runtime>(
    runtime: &R,
    config: ClientConfig,
    seed: Seed,
    connector: impl Connector + 'static,
    store: Arc<dyn Store>,
    id: JournalId,
) -> Result<(Session, Driver), DurableError> {
    if config.session.durable.is_none() {
        return Err(RestoreError::Config.into());
    }
    let Opened { fence, journal } = store.open(&id).await?;
    let clock = Clock::new(runtime);
    let (now, away, pieces) = (clock.now(), journal.written_ago, journal.pieces());
    let machine = match pieces.is_empty() {
        true => unbroken_proto::Session::connect(config, seed, now).map_err(DurableError::from),
        false => unbroken_proto::Session::restore(config, &pieces, away, seed, now).map_err(DurableError::from),
    };
    let machine = unless_released(&store, &id, fence, machine).await?;
    Ok(begin(clock, machine, connector, Some(Keeper::new(store, id, fence))))
}

/// The session that was made for a journal that is ours; if none was, whoever comes next need not wait for us to give it up.
pub(crate) async fn unless_released<T, E: Into<DurableError>>(
    store: &Arc<dyn Store>,
    id: &JournalId,
    fence: Fence,
    made: Result<T, E>,
) -> Result<T, DurableError> {
    if made.is_err() {
        // That it did not work is what matters.
        let _released = store.release(id, fence).await;
    }
    made.map_err(E::into)
}

/// A journal for a session that begins: there must be nothing in it.
pub(crate) async fn open_new(store: &Arc<dyn Store>, id: &JournalId) -> Result<Fence, StoreError> {
    let Opened { fence, journal } = store.open(id).await?;
    if journal.pieces().is_empty() {
        return Ok(fence);
    }
    let _released = store.release(id, fence).await;
    Err(StoreError::Failed("another session is kept under that name".into()))
}

/// Hands out the session, and what drives it.
fn begin(
    clock: Clock,
    machine: unbroken_proto::Session,
    connector: impl Connector + 'static,
    keeper: Option<Keeper>,
) -> (Session, Driver) {
    let (session, driver) = drive(clock, plain(machine), connector);
    session.begin_restored();
    match keeper {
        Some(keeper) => (session, driver.with_keeper(keeper)),
        None => (session, driver),
    }
}

/// A session that was [packed up](Session::export), which goes on here. `at_rest` is how the ticket is sealed. A durable one needs a
/// place: a store, and a journal in it, which is empty.
///
/// # Errors
/// The ticket is not one, or is sealed otherwise; the configuration is durable and there is no place, or the other way round; the store fails, or the
/// journal is not empty.
pub async fn import<R: Runtime>(
    runtime: &R,
    config: ClientConfig,
    seed: Seed,
    connector: impl Connector + 'static,
    (ticket, at_rest): (Bytes, &AtRest),
    place: Option<(Arc<dyn Store>, JournalId)>,
) -> Result<(Session, Driver), DurableError> {
    if config.session.durable.is_some() != place.is_some() {
        return Err(RestoreError::Config.into());
    }
    let clock = Clock::new(runtime);
    let import = || unbroken_proto::Session::import(config, ticket, at_rest, None, seed, clock.now());
    let (machine, keeper) = match place {
        Some((store, id)) => {
            let fence = open_new(&store, &id).await?;
            let machine = unless_released(&store, &id, fence, import()).await?;
            (machine, Some(Keeper::new(store, id, fence)))
        }
        None => (import()?, None),
    };
    Ok(begin(clock, machine, connector, keeper))
}

impl Session {
    /// What is restored is there to be taken.
    pub(crate) fn begin_restored(&self) {
        self.shared().call(|state, _| {
            state.restored = state.machine.streams().iter().map(|stream| stream.id).collect();
            // It has no event for what was before this process.
            state.established = state.machine.state() != unbroken_proto::session::SessionState::Connecting;
        });
    }

    /// The streams of a durable session that were there before this process, and that were not taken: what was sent on each as far as
    /// the session has it, and up to where what came was dealt with.
    #[must_use]
    pub fn restored(&self) -> Vec<RestoredStream> {
        self.shared().read(|state| {
            let streams = state.machine.streams().into_iter();
            streams.filter(|stream| state.restored.contains(&stream.id)).collect()
        })
    }

    /// How many messages, and bytes that are no part of one, the session has taken to be sent on that stream: what it has is kept, as far as
    /// it is [persisted](Self::persisted), so that who knows what it wanted to send goes on behind that.
    #[must_use]
    pub fn taken(&self, id: StreamId) -> Tally {
        let streams = self.shared().read(|state| state.machine.streams());
        let stream = streams.into_iter().find(|stream| stream.id == id);
        stream.map_or(Tally::default(), |stream| stream.taken)
    }

    /// Takes one of [`restored`](Self::restored); each can be taken once.
    #[must_use]
    pub fn take_restored(&self, id: StreamId) -> Option<Stream> {
        let restored = self.restored().into_iter().find(|stream| stream.id == id)?;
        let was_there = self.shared().call(|state, _| state.restored.remove(&id));
        was_there.then(|| self.stream_of(restored))
    }

    /// Waits until a restart would lose nothing of what was done so far: messages that were queued, places that were
    /// [dealt with](crate::RecvHalf::consumed). At once, if the session is not durable. Cancel safe.
    ///
    /// # Errors
    /// The session ended before.
    pub async fn persisted(&self) -> Result<(), Arc<Ended>> {
        let mark = self.shared().read(|state| state.machine.mark());
        Wait::new(
            self.shared(),
            |state| &mut state.keepers,
            |state, _| match &state.ended {
                _ if state.machine.has_persisted(mark) => Some(Ok(())),
                Some(ended) => Some(Err(Arc::clone(ended))),
                None => None,
            },
        )
        .await
    }

    /// Leaves a durable session for another process: all is kept that was done so far, then the session is over here, as
    /// [`Moved`](unbroken_proto::event::EndReason::Moved), and its peer, which is told nothing, waits for it to come back. Of one that is not durable
    /// nothing would be left: it goes on.
    pub async fn suspend(&self) {
        if self.persisted().await.is_ok() {
            self.call(|machine, now| {
                machine.handle_store_failed(now, StoreFailure::Released);
            });
        }
        if self.ended().is_some() {
            self.disconnected().await;
        }
    }

    /// Packs the session up for another process or device, as [`export`](unbroken_proto::Session::export) does. It is over here, as
    /// [`Moved`](unbroken_proto::event::EndReason::Moved); what its store has of it is deleted before the ticket is returned. [`import`] goes on with
    /// it. `None`: there is no session to pack up (it is the accepting side's, was never established, or is over).
    pub async fn export(&self, at_rest: &AtRest) -> Option<Bytes> {
        let ticket = self.shared().call(|state, now| {
            let ticket = state.machine.export(now, at_rest)?;
            state.is_exported = true;
            state.notify_driver();
            Some(ticket)
        })?;
        self.disconnected().await;
        Some(ticket)
    }

    /// Why what a durable session has to keep was not kept, the last time that was so. It is tried again as long as the store cannot be reached or
    /// is full.
    #[must_use]
    pub fn store_error(&self) -> Option<Arc<StoreError>> {
        self.shared().read(|state| state.store_error.clone())
    }
}
