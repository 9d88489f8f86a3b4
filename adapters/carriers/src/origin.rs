//! Whom an accepted connection comes from, learnt while it is set up.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use tungstenite::http::HeaderMap;
use unbroken_driver::{ByteStream, ConnectError};

use crate::proxies::{TrustedProxies, read_header};

/// The socket's peer, or whom a trusted proxy passes on.
pub(crate) struct Origin {
    /// The last one known, while a proxy's word about it is awaited.
    passed_on: Option<(IpAddr, TrustedProxies)>,
    peer: Arc<OnceLock<IpAddr>>,
}

impl Origin {
    pub(crate) fn new(address: Option<IpAddr>, proxies: Option<&TrustedProxies>) -> Origin {
        let proxies = proxies.filter(|proxies| address.is_some_and(|address| proxies.trusts(address)));
        let passed_on = address.zip(proxies.cloned());
        let peer = match address {
            Some(address) if passed_on.is_none() => OnceLock::from(address),
            _ => OnceLock::new(),
        };
        let peer = Arc::new(peer);
        Origin { passed_on, peer }
    }

    /// Where it will be said.
    pub(crate) fn peer(&self) -> Arc<OnceLock<IpAddr>> {
        Arc::clone(&self.peer)
    }

    /// Reads what a proxy writes before everything else, if one does. `requested`: a request's headers will follow.
    pub(crate) async fn before_all<S: ByteStream>(
        &mut self,
        stream: &mut S,
        requested: bool,
    ) -> Result<(), ConnectError> {
        let Some((known, proxies)) = &mut self.passed_on else {
            return Ok(());
        };
        if proxies.speak_proxy_protocol()
            && let Some(source) = read_header(stream).await?
        {
            *known = source;
        }
        // Who has nothing more to say is settled before a client had the time to be silent.
        if !(requested && proxies.write_a_header() && proxies.trusts(*known)) {
            self.settle(&HeaderMap::new());
        }
        Ok(())
    }

    /// Nobody says more than these headers.
    pub(crate) fn settle(&mut self, headers: &HeaderMap) {
        if let Some((known, proxies)) = self.passed_on.take() {
            let _ = self.peer.set(proxies.client(known, headers));
        }
    }
}
