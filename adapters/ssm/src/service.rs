//! What stands behind an end: who grants its connections, and who has its keys.

use thiserror::Error;
use unbroken_proto::Duration;
use unbroken_proto::ssm::body::Token;
use unbroken_proto::ssm::event::DataKeyRequest;
use unbroken_proto::ssm::kms::DataKey;
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::driver::KnownAddresses;
use unbroken_tokio::carriers::http::{HeaderMap, Uri};

use crate::dialling::{ByteStream, Place};

/// What the service says to the agent of a session that is over: a real one looks for this, to try no longer.
#[cfg(any(feature = "gateway", feature = "http"))]
pub(crate) const TERMINATED: &str = "Session is already terminated";

/// What a session's end asks of the service that it belongs to: a client calls ResumeSession and signs its upgrades, an agent calls
/// CreateDataChannel. Futures may be dropped at any point, which they are when the machine gives an attempt up.
pub trait Service: Send + Sync + 'static {
    /// A token for the next connection.
    ///
    /// # Errors
    /// [`TokenError::Gone`] ends the session; all else is tried again.
    fn token(&self, session_id: &str) -> impl Future<Output = Result<Grant, TokenError>> + Send;

    /// Header lines for the WebSocket's upgrade, such as a signature. By default none.
    ///
    /// # Errors
    /// The dial is not made, and is tried again.
    fn upgrade(&self, url: &Uri) -> impl Future<Output = Result<HeaderMap, ConnectError>> + Send {
        let _ = url;
        async { Ok(HeaderMap::new()) }
    }

    /// A connection to the host of `url`, a `ws://` or `wss://` URL, over which the upgrade is sent next. A socket is to be connected `within`
    /// that time; the whole dial has little more. `known` is what this session's earlier dials found out about addresses, for who looks
    /// names up.
    ///
    /// By default TCP without any proxy, and TLS for `wss://` that is verified as the platform does. Services with an
    /// [`Http`](crate::api::Http) connect as that does, proxies included.
    ///
    /// # Errors
    /// The dial is tried again, when and how often its cause says.
    fn connect(
        &self,
        url: &Uri,
        known: &KnownAddresses,
        within: Duration,
    ) -> impl Future<Output = Result<ByteStream, ConnectError>> + Send {
        async move { Place::of(url)?.connect(None, known, within).await }
    }

    /// The key of a session whose data is sealed. By default there is none.
    ///
    /// # Errors
    /// Why there is none, in words that the peer is told.
    fn data_key(
        &self,
        session_id: &str,
        request: &DataKeyRequest,
    ) -> impl Future<Output = Result<SealedKey, String>> + Send {
        let _ = (session_id, request);
        async { Err("no keys of KMS are to be had here".into()) }
    }
}

/// Leave to connect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Grant {
    /// For the connection's first message. Empty: the service does not have the session any more, which ends.
    pub token: Token,
    /// Where to dial from now on; `None`: where the last dial went.
    pub stream_url: Option<String>,
}

impl Grant {
    /// With this token, to where the last dial went.
    #[must_use]
    pub fn new(token: Token) -> Grant {
        Grant {
            token,
            stream_url: None,
        }
    }

    /// Says where to dial.
    #[must_use]
    pub fn at(mut self, stream_url: impl Into<String>) -> Grant {
        self.stream_url = Some(stream_url.into());
        self
    }
}

/// A data key, and what KMS made of it.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// The key.
    pub key: DataKey,
    /// As KMS encrypted it: what a client sends. An agent has received it, and may leave it empty.
    pub cipher_text: Vec<u8>,
}

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The service does not have the session: it is over.
    #[error("the service does not have the session any more{}", because(.0))]
    Gone(String),
    /// Something that may pass. Its cause and its time say when it is tried again.
    #[error(transparent)]
    Failed(#[from] ConnectError),
}

fn because(why: &str) -> String {
    match why {
        "" => String::new(),
        why => format!(": {why}"),
    }
}

impl TokenError {
    /// The service asked to wait for so long.
    #[must_use]
    pub fn later(after: Duration) -> TokenError {
        TokenError::Failed(ConnectError::later(after))
    }
}
