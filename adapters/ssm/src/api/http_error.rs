//! Why a request has no answer.

use std::error::Error;
use std::time::Duration;

use thiserror::Error;
use unbroken_proto::Cause;
use unbroken_tokio::ConnectError;

/// Longest body of an answer that is read, in bytes. Those of the service have a few thousand.
pub const MAX_ANSWER: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The URL is not `http://` or `https://` with a host, or has a user's name in it.
    #[error("not a URL of the form http://host or https://host")]
    Url,
    /// No connection to the server, or to the proxy.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The proxy made no way to the server.
    #[error("the proxy answers with status {0}")]
    Proxy(u16),
    /// The environment names a proxy of another kind than `http://` and `https://`.
    #[error("no proxy is supported but http:// and https://")]
    ProxyScheme,
    /// No whole answer in this time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke, or does not carry HTTP.
    #[error("the connection broke before the whole answer was there")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// The answer's body has more than [`MAX_ANSWER`] bytes.
    #[error("an answer of more than {MAX_ANSWER} bytes")]
    TooLarge,
}

impl HttpError {
    pub(crate) fn broken(error: hyper::Error) -> HttpError {
        HttpError::Broken(Box::new(error))
    }
}

impl From<HttpError> for ConnectError {
    fn from(error: HttpError) -> ConnectError {
        let cause = match error {
            HttpError::Connect(error) => return error,
            HttpError::Proxy(407) => Cause::Denied,
            HttpError::Proxy(_) => Cause::Refused,
            HttpError::Url | HttpError::ProxyScheme => Cause::NoService,
            HttpError::Timeout(_) => Cause::Timeout,
            HttpError::Broken(_) => Cause::Network,
            HttpError::TooLarge => Cause::Protocol,
        };
        ConnectError::new(cause).with_source(error)
    }
}
