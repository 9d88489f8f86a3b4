//! Who signs requests.

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Request, Uri};
use unbroken_tokio::ConnectError;

use super::error::ApiError;

/// Signs requests to a service.
pub trait Sign: Send + Sync + 'static {
    /// Header lines to add to `request`, which has its `Host`, for the service that signatures call `name` (`ssm`, `ssmmessages`, `kms`).
    ///
    /// # Errors
    /// There is nothing to sign with, or the request cannot be signed. It is not sent.
    fn sign(
        &self,
        name: &'static str,
        request: &Request<Bytes>,
    ) -> impl Future<Output = Result<HeaderMap, ApiError>> + Send;

    /// A service refused what was signed: the next request is signed with credentials that were looked up afresh.
    fn refused(&self) {}
}

/// Signs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsigned;

impl Sign for Unsigned {
    async fn sign(&self, _name: &'static str, _request: &Request<Bytes>) -> Result<HeaderMap, ApiError> {
        Ok(HeaderMap::new())
    }
}

/// What is signed of a WebSocket's upgrade: GET, the URL, the host and no body. A URL that is presigned needs no more, and gets none.
pub(super) async fn sign_upgrade(signer: &impl Sign, url: &Uri) -> Result<HeaderMap, ConnectError> {
    if is_presigned(url) {
        return Ok(HeaderMap::new());
    }
    let host = super::http::authority_of(url).map_err(ApiError::from)?;
    let request = Request::get(url.clone())
        .header(hyper::header::HOST, host)
        .body(Bytes::new())
        .map_err(|_| ApiError::Unsignable)?;
    Ok(signer.sign("ssmmessages", &request).await?)
}

/// Whether a signature is in the URL's query already.
fn is_presigned(url: &Uri) -> bool {
    let mut parameters = url.query().unwrap_or_default().split('&');
    parameters.any(|parameter| {
        let name = parameter.as_bytes().get(.."X-Amz-".len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"X-Amz-"))
    })
}
