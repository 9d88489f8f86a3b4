//! Sessions that outlive their process, on any runtime.

use std::sync::Arc;

use bytes::Bytes;
use unbroken_driver::proto::ClientConfig;
use unbroken_driver::proto::security::AtRest;
use unbroken_driver::store::{JournalId, Store, StoreError};
use unbroken_driver::{Connector, DurableError, Runtime, Session};

use crate::error::StartError;
use crate::server::Server;

/// [`connect_with`](crate::connect_with), of a session that outlives its process: begun, or gone on with from what `store` keeps under `id`. See
/// [`unbroken_driver::connect_durable`].
///
/// # Errors
/// As there, or the system has no entropy.
pub async fn connect_durable<R: Runtime>(
    runtime: R,
    config: ClientConfig,
    connector: impl Connector + 'static,
    store: Arc<dyn Store>,
    id: JournalId,
) -> Result<Session, StartError> {
    let seed = runtime.seed().map_err(StartError::Entropy)?;
    let (session, driver) = unbroken_driver::connect_durable(&runtime, config, seed, connector, store, id).await?;
    runtime.spawn(driver);
    Ok(session)
}

/// Goes on with a session that another process or device has packed up ([`Session::export`]), which gave this `ticket`. See
/// [`unbroken_driver::import`].
///
/// # Errors
/// As there, or the system has no entropy.
pub async fn import<R: Runtime>(
    runtime: R,
    config: ClientConfig,
    connector: impl Connector + 'static,
    ticket: (Bytes, &AtRest),
    place: Option<(Arc<dyn Store>, JournalId)>,
) -> Result<Session, StartError> {
    let seed = runtime.seed().map_err(StartError::Entropy)?;
    let (session, driver) = unbroken_driver::import(&runtime, config, seed, connector, ticket, place).await?;
    runtime.spawn(driver);
    Ok(session)
}

impl<R: Runtime> Server<R> {
    /// Keeps sessions in `store` from now on, takes in what is kept there and no living process owns, and gives up what other
    /// processes of a fleet ask for. To be called before anything listens; in a fleet again now and then, for what nodes have left that are gone
    /// ([`ServerHandle::restore`](unbroken_driver::ServerHandle::restore)). The configuration says how they are protected ([`SessionConfig::durable`](unbroken_driver::proto::SessionConfig::durable)). Sessions that are restored are
    /// [accepted](Server::accept) again. Returns those that could not be, which stay in the store.
    ///
    /// # Errors
    /// The store does not say what it keeps.
    pub async fn restore(&self, store: Arc<dyn Store>) -> Result<Vec<(JournalId, DurableError)>, StoreError> {
        self.handle().keep_in(store);
        self.runtime().spawn(Arc::clone(self.handle()).run_handovers());
        let restoration = self.handle().restore().await?;
        for (_, driving) in restoration.sessions {
            self.runtime().spawn(driving);
        }
        Ok(restoration.failed)
    }
}
