//! The dialling end, on threads or in a poll loop.

use std::io;

use unbroken_carriers::Address;
use unbroken_driver::{Connected, Connector, Runtime, RuntimeTimer, fresh_seed};
use unbroken_proto::{ClientConfig, ReconnectIntent};

use crate::runtime::{Places, PollRuntime};
use crate::session::Session;

/// Calls of [`blocking`] that one session has under way, those that nobody waits for any more among them.
const UNDER_WAY: usize = 4;

impl PollRuntime {
    /// A session that dials with `connector`. Returns at once; see [`Session::established`].
    ///
    /// # Errors
    /// The configuration cannot work, or the system has no entropy, or no thread.
    pub fn connect_with(&self, config: ClientConfig, connector: impl Connector + 'static) -> io::Result<Session> {
        let timer = RuntimeTimer::new(self.clone());
        let (session, driver) = unbroken_driver::connect(config, fresh_seed()?, connector, timer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.try_spawn(driver)?;
        Ok(Session::from(session))
    }

    /// A session with the server at `address`, over whatever that says.
    ///
    /// # Errors
    /// As [`connect_with`](Self::connect_with).
    pub fn connect_to(&self, address: Address, config: ClientConfig) -> io::Result<Session> {
        self.connect_with(config, self.connector(address))
    }

    /// Dials `address`, or the intent's alternate where that is one ([`Address::alternate`]).
    pub fn connector(&self, address: Address) -> impl Connector + use<> {
        let runtime = self.clone();
        move |intent: ReconnectIntent| {
            let (runtime, address) = (runtime.clone(), address.alternate(&intent.alternate));
            async move { runtime.dial(&address).await }
        }
    }

    /// Dials once: for a connector of one's own that says where.
    ///
    /// # Errors
    /// As the system says, or [`Address::connect`].
    pub async fn dial(&self, address: &Address) -> io::Result<Connected> {
        let (host, port) = address.host_port();
        let stream = self.connect(host, port).await?;
        address.connect(stream).await
    }
}

/// A connector out of a call that blocks, which runs on a thread of its own. One that outlives its intent's
/// [`deadline`](ReconnectIntent::deadline) is for nothing, and holds one of four places until it returns; while there is
/// none free, dials fail.
pub fn blocking<F>(dial: F) -> impl Connector
where
    F: Fn(&ReconnectIntent) -> io::Result<Connected> + Send + Sync + 'static,
{
    let (places, dial) = (Places::new(UNDER_WAY), std::sync::Arc::new(dial));
    move |intent: ReconnectIntent| {
        let dial = std::sync::Arc::clone(&dial);
        let dialled = places.call(move || dial(&intent));
        async move { dialled.await? }
    }
}
