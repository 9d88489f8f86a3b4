//! What a host chooses for a gateway on tokio.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use unbroken_proto::ssm::gateway::{Event, GatewayConfig};
use unbroken_tokio::carriers::http::StatusCode;
use unbroken_tokio::carriers::http::request::Parts;

pub(super) type Authorise = dyn Fn(&Parts) -> Result<(), StatusCode> + Send + Sync;
pub(super) type Observe = dyn Fn(&Event) + Send + Sync;

/// Bounds, times and hooks of a [`Gateway`](super::Gateway). Cheap to clone.
#[derive(Clone)]
pub struct Settings {
    pub(super) machine: GatewayConfig,
    pub(super) public_url: Option<String>,
    pub(super) max_connections: usize,
    pub(super) request_timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) authorise: Option<Arc<Authorise>>,
    pub(super) observe: Option<Arc<Observe>>,
    pub(super) tls: Option<TlsAcceptor>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            machine: GatewayConfig::default(),
            public_url: None,
            max_connections: 4_096,
            request_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(54),
            authorise: None,
            observe: None,
            tls: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("machine", &self.machine)
            .field("public_url", &self.public_url)
            .field("max_connections", &self.max_connections)
            .field("request_timeout", &self.request_timeout)
            .field("ping_interval", &self.ping_interval)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Bounds and times of sessions.
    #[must_use]
    pub fn machine(self, machine: GatewayConfig) -> Settings {
        Settings { machine, ..self }
    }

    /// What stream URLs begin with, such as `wss://gateway.example`, without a slash behind it. By default `ws://` or `wss://` and the address
    /// that the caller of StartSession has connected to.
    #[must_use]
    pub fn public_url(self, url: impl Into<String>) -> Settings {
        let public_url = Some(url.into());
        Settings { public_url, ..self }
    }

    /// Connections at a time, WebSockets among them, for each listening socket; further ones wait to be accepted. 1 or more (0 counts as 1),
    /// default 4,096.
    #[must_use]
    pub fn max_connections(self, max_connections: usize) -> Settings {
        Settings {
            max_connections,
            ..self
        }
    }

    /// How long a connection may take from its beginning until its one request is answered, TLS and [`Sessions`](super::Sessions) included.
    /// Default 30 s.
    #[must_use]
    pub fn request_timeout(self, request_timeout: Duration) -> Settings {
        Settings {
            request_timeout,
            ..self
        }
    }

    /// A WebSocket is pinged when nothing was sent on it for so long, and given up when nothing came for twice as long while it was read
    /// from. Default 54 s.
    #[must_use]
    pub fn ping_interval(self, ping_interval: Duration) -> Settings {
        Settings { ping_interval, ..self }
    }

    /// Asks `check` about each request (its method, URL and header) before anything else is done about it; an error is the status to
    /// answer. By default everybody may do everything, which is for loopback alone.
    #[must_use]
    pub fn authorise<F>(self, check: F) -> Settings
    where
        F: Fn(&Parts) -> Result<(), StatusCode> + Send + Sync + 'static,
    {
        let authorise: Option<Arc<Authorise>> = Some(Arc::new(check));
        Settings { authorise, ..self }
    }

    /// Tells `observer` what happens to sessions. It is called by whichever task made it happen, and should return soon.
    #[must_use]
    pub fn observe<F>(self, observer: F) -> Settings
    where
        F: Fn(&Event) + Send + Sync + 'static,
    {
        let observe: Option<Arc<Observe>> = Some(Arc::new(observer));
        Settings { observe, ..self }
    }

    /// Inside TLS.
    #[must_use]
    pub fn tls(self, config: Arc<tokio_rustls::rustls::ServerConfig>) -> Settings {
        let tls = Some(TlsAcceptor::from(config));
        Settings { tls, ..self }
    }
}
