//! Signatures of version 4, in headers.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use hyper::Request;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::credentials::{Kept, Source};
use super::endpoint::region_of;
use crate::api::{ApiError, Sign, is_loopback};

/// Signs with credentials that are looked up, for a region: that of the host's name where it has one, as
/// `ssmmessages.eu-west-1.amazonaws.com` does, or else the configured one. Clones share the credentials.
///
/// A signature is made of the host, the headers that begin with `x-amz-`, the content's type, and the body.
#[derive(Clone)]
pub struct Signer {
    region: Arc<str>,
    /// `None`: nothing is signed.
    credentials: Option<Arc<Kept>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("region", &self.region)
            .field("is_signing", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

impl Signer {
    pub(super) fn new(region: Arc<str>, source: Source) -> Signer {
        Signer {
            region,
            credentials: Some(Arc::new(Kept::new(source))),
        }
    }

    /// The same, signing nothing.
    pub(super) fn silent(self) -> Signer {
        Signer {
            credentials: None,
            ..self
        }
    }
}

impl Sign for Signer {
    async fn sign(&self, name: &'static str, request: &Request<Bytes>) -> Result<HeaderMap, ApiError> {
        let Some(credentials) = self.credentials.as_ref().filter(|_| is_private(request)) else {
            return Ok(HeaderMap::new());
        };
        let credentials = credentials.credentials().await?;
        let host = request.uri().host().unwrap_or_default();
        let region = region_of(host, name).unwrap_or(&self.region);
        signature(credentials, (region, name), SystemTime::now(), request)
    }

    fn refused(&self) {
        if let Some(credentials) = &self.credentials {
            credentials.forget();
        }
    }
}

/// Whether nobody on the way reads the request.
fn is_private(request: &Request<Bytes>) -> bool {
    let url = request.uri();
    matches!(url.scheme_str(), Some("https" | "wss")) || url.host().is_some_and(is_loopback)
}

/// The header lines that sign `request` for a region and a service.
fn signature(
    credentials: Credentials,
    (region, name): (&str, &str),
    now: SystemTime,
    request: &Request<Bytes>,
) -> Result<HeaderMap, ApiError> {
    if request.uri().authority().is_none() {
        return Err(ApiError::Unsignable);
    }
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(name)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| ApiError::Unsignable)?;
    let headers: Result<Vec<(&str, &str)>, _> = request
        .headers()
        .iter()
        .map(|(name, value)| Ok((name.as_str(), value.to_str()?)))
        .collect();
    let headers = headers.map_err(|_: hyper::header::ToStrError| ApiError::Unsignable)?;
    let url = request.uri().to_string();
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), url, headers.into_iter(), body);
    let signable = signable.map_err(|_| ApiError::Unsignable)?;
    let signed = sign(signable, &params.into()).map_err(|_| ApiError::Unsignable)?;
    let (instructions, _signature) = signed.into_parts();
    let mut lines = HeaderMap::new();
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name).map_err(|_| ApiError::Unsignable)?;
        let mut value = HeaderValue::try_from(value).map_err(|_| ApiError::Unsignable)?;
        value.set_sensitive(true);
        lines.insert(name, value);
    }
    Ok(lines)
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test")]
mod tests;
