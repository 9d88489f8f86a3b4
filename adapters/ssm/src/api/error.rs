//! Why a call came to nothing.

use std::error::Error;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::Response;
use serde::Deserialize;
use thiserror::Error;
use unbroken_proto::Cause;
use unbroken_proto::ssm::body::BodyError;
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::causes::cause_of_status;
use unbroken_tokio::carriers::retry_after;

use super::http_error::HttpError;
use crate::service::TokenError;

/// How long a service that says "too often" and not for how long is left alone.
const THROTTLED: Duration = Duration::from_secs(5);
/// Longest wait that a service may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Longest message that is kept of what a service says, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Why a call came to nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The service says so.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// There are no credentials, or they could not be looked up in time.
    #[error("no credentials: {0}")]
    Credentials(#[source] Box<dyn Error + Send + Sync>),
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer is not what an answer to the call is.
    #[error("an answer that is none: {0}")]
    Answer(#[source] Box<dyn Error + Send + Sync>),
    /// Something in the request cannot be part of a signed request.
    #[error("the request cannot be signed")]
    Unsignable,
}

/// What the service says instead of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Error)]
#[error("{code} (status {status}): {message}")]
#[non_exhaustive]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The error's name, such as `TargetNotConnected`; empty if the answer does not have the form of an error.
    pub code: String,
    /// In words; at most 1024 bytes of them.
    pub message: String,
    /// How long the service asks to be left alone, at most an hour.
    pub retry_after: Option<Duration>,
}

/// The JSON of an error. Services write the message in either way.
#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default, rename = "__type", alias = "code")]
    code: String,
    #[serde(default, alias = "Message")]
    message: String,
}

impl ServiceError {
    /// Reads the answer to a call that was not successful.
    pub(crate) fn read(answer: &Response<Bytes>) -> ServiceError {
        let status = answer.status().as_u16();
        let body: Option<ErrorBody> = serde_json::from_slice(answer.body()).ok();
        let is_json = body.is_some();
        let mut body = body.unwrap_or_default();
        if !is_json {
            body.message = String::from_utf8_lossy(answer.body()).into_owned();
        }
        let named = answer.headers().get("x-amzn-errortype");
        if let Some(named) = named.and_then(|named| named.to_str().ok()) {
            named.clone_into(&mut body.code);
        }
        let retry_after = retry_after(answer.headers(), SystemTime::now()).map(|after| after.min(LONGEST_WAIT));
        ServiceError {
            status,
            code: short(&body.code).to_owned(),
            message: shortened(&body.message),
            retry_after,
        }
    }

    /// Whether the credentials were refused: others may be accepted.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        const CODES: [&str; 14] = [
            "AccessDenied",
            "AccessDeniedException",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClient",
            "UnrecognizedClientException",
        ];
        matches!(self.status, 401 | 403) || CODES.contains(&self.code.as_str())
    }

    /// Whether the service was asked too often.
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        const CODES: [&str; 7] = [
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
        ];
        self.status == 429 || CODES.contains(&self.code.as_str())
    }

    /// Whether the service does not know the session that the call is about. A refusal of the credentials is never that.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let says_so = self.code == "DoesNotExistException" || self.code.starts_with("InvalidSessionId");
        says_so && !self.is_refusal() && (400..500).contains(&self.status)
    }
}

/// The name alone, out of `prefix#Name` or `Name:url`.
fn short(code: &str) -> &str {
    let name = code.split_once(':').map_or(code, |(name, _)| name);
    name.rsplit_once('#').map_or(name, |(_, name)| name)
}

/// At most [`MAX_MESSAGE`] bytes of a text.
fn shortened(text: &str) -> String {
    let cuts = text.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = cuts.take_while(|end| *end <= MAX_MESSAGE).last().unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

impl ApiError {
    pub(crate) fn answer(error: impl Into<Box<dyn Error + Send + Sync>>) -> ApiError {
        ApiError::Answer(error.into())
    }

    /// What it means to an end that wanted a token.
    pub(super) fn into_token_error(self) -> TokenError {
        match self {
            ApiError::Service(error) if error.is_gone() => TokenError::Gone(error.message),
            error => TokenError::Failed(error.into()),
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> ApiError {
        ApiError::answer(error)
    }
}

impl From<ApiError> for ConnectError {
    fn from(error: ApiError) -> ConnectError {
        let cause = match error {
            ApiError::Http(error) => return error.into(),
            ApiError::Service(ref said) => match said.retry_after {
                Some(after) => return ConnectError::later(after).with_source(error),
                None if said.is_throttling() => return ConnectError::later(THROTTLED).with_source(error),
                None if said.is_refusal() => Cause::Denied,
                None => cause_of_status(said.status),
            },
            ApiError::Credentials(_) => Cause::Denied,
            ApiError::Answer(_) => Cause::Protocol,
            ApiError::Unsignable => Cause::NoService,
        };
        ConnectError::new(cause).with_source(error)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test")]
mod tests;
