//! Why AWS cannot be asked.

use thiserror::Error;
use unbroken_tokio::carriers::rustls;

/// Why AWS cannot be asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No region was given, and neither the environment nor the profile nor the instance's metadata name one.
    #[error("no region: give one, or set AWS_REGION or the profile's `region`")]
    NoRegion,
    /// A region whose name cannot be part of a host's.
    #[error("{0:?} is not the name of a region")]
    Region(String),
    /// An endpoint that is not `http://host` or `https://host`.
    #[error("{0:?} is not the URL of an endpoint: http://host or https://host")]
    Endpoint(String),
    /// The platform has no roots to verify servers by.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}
