//! Who decides about sessions, and in which words it refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;
use unbroken_tokio::carriers::http::{HeaderMap, StatusCode};

/// Decides whether a session may begin, and sees to it that an agent comes. Functions that take a [`StartRequest`] are one.
pub trait Sessions: Send + Sync + 'static {
    /// Somebody called StartSession. The session exists already, so that its agent can be started here; it is answered once this is done, and
    /// ended if that is an error. The future is dropped, and the session ended, when the caller goes away or
    /// [`Settings::request_timeout`](super::Settings::request_timeout) is over.
    ///
    /// # Errors
    /// What the caller is told.
    fn start(&self, request: StartRequest) -> impl Future<Output = Result<(), ApiError>> + Send;
}

impl<F, R> Sessions for F
where
    F: Fn(StartRequest) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), ApiError>> + Send,
{
    fn start(&self, request: StartRequest) -> impl Future<Output = Result<(), ApiError>> + Send {
        self(request)
    }
}

/// What StartSession was called with, and what came of it so far.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartRequest {
    /// The new session.
    pub session_id: String,
    /// Where its agent dials, as the caller of StartSession will be told.
    pub stream_url: String,
    /// The instance that is wanted.
    pub target: String,
    /// The document that says what kind of session it is; `None`: a shell.
    pub document_name: Option<String>,
    /// What the document is given. A port session has `portNumber`, and `host` if it leads on.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// The header of the request, for what its signature says of the caller.
    pub headers: Arc<HeaderMap>,
}

/// An error as AWS's API says it: a code and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
#[non_exhaustive]
pub struct ApiError {
    /// What clients look at, such as `TargetNotConnected`.
    pub code: String,
    /// What they show.
    pub message: String,
    /// The status of the answer, 400 for most.
    pub status: StatusCode,
}

impl ApiError {
    /// With this code and message, and status 400.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> ApiError {
        ApiError {
            code: code.into(),
            message: message.into(),
            status: StatusCode::BAD_REQUEST,
        }
    }

    /// With another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> ApiError {
        ApiError { status, ..self }
    }

    /// `TargetNotConnected`: no agent can be had there.
    #[must_use]
    pub fn target_not_connected(target: &str) -> ApiError {
        ApiError::new("TargetNotConnected", format!("{target} is not connected."))
    }

    /// `AccessDeniedException`: the caller may not do so.
    #[must_use]
    pub fn access_denied(message: impl Into<String>) -> ApiError {
        ApiError::new("AccessDeniedException", message)
    }
}
