//! The dialling end, on threads or in a poll loop.

use std::sync::Arc;

use unbroken_carriers::{Address, StartError, connector};
use unbroken_driver::{ConnectError, Connected, Connector};
use unbroken_proto::{ClientConfig, ReconnectIntent};

use crate::runtime::{Places, PollRuntime};
use crate::session::Session;

/// Calls of [`blocking`] that one session has under way, those that nobody waits for any more among them.
const UNDER_WAY: usize = 4;

impl PollRuntime {
    /// A session that dials with `connector`. Returns at once; see [`Session::established`].
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy.
    pub fn connect_with(
        &self,
        config: ClientConfig,
        connector: impl Connector + 'static,
    ) -> Result<Session, StartError> {
        unbroken_carriers::connect_with(self.clone(), config, connector).map(Session::from)
    }

    /// A session with the server at `address`, over whatever that says.
    ///
    /// # Errors
    /// As [`connect_with`](Self::connect_with).
    pub fn connect_to(&self, address: Address, config: ClientConfig) -> Result<Session, StartError> {
        self.connect_with(config, connector(self.clone(), address))
    }
}

/// A connector out of a call that blocks, which runs on a thread of its own. One that outlives its intent's
/// [`deadline`](ReconnectIntent::deadline) is for nothing, and holds one of four places until it returns; while there is
/// none free, dials fail.
pub fn blocking<F>(dial: F) -> impl Connector
where
    F: Fn(&ReconnectIntent) -> Result<Connected, ConnectError> + Send + Sync + 'static,
{
    let (places, dial) = (Places::new(UNDER_WAY), Arc::new(dial));
    move |intent: ReconnectIntent| {
        let dial = Arc::clone(&dial);
        let dialled = places.call(move || dial(&intent));
        async move { dialled.await? }
    }
}
