//! What a server's refusal means to the owner of a journal.

use std::error::Error;

use async_nats::jetstream::{Error as ApiError, ErrorCode};
use async_nats::{RequestError, RequestErrorKind};
use unbroken_driver::store::StoreError;

pub(super) type Cause = Box<dyn Error + Send + Sync>;

pub(super) fn unavailable(cause: impl Into<Cause>) -> StoreError {
    StoreError::Unavailable(cause.into())
}

pub(super) fn failed(cause: impl Into<Cause>) -> StoreError {
    StoreError::Failed(cause.into())
}

pub(super) fn damaged(place: impl Into<String>) -> StoreError {
    StoreError::Damaged { place: place.into() }
}

/// What JetStream answered in the place of what was asked for.
pub(super) fn of_api(error: ApiError) -> StoreError {
    match error.error_code() {
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED => StoreError::Full(error.into()),
        // One code for each way in which a message was not stored; only its words tell a limit from a failing disk.
        ErrorCode::STREAM_STORE_FAILED => {
            let words = error.to_string();
            if words.contains("maximum") || words.contains("no space") {
                StoreError::Full(error.into())
            } else {
                unavailable(error)
            }
        }
        // No leader, no quorum, a node that starts: HTTP's words for what may be said again.
        _ if matches!(error.code(), 408 | 500 | 503 | 504) => unavailable(error),
        _ => failed(error),
    }
}

/// What kept a request from being answered.
pub(super) fn of_request(error: RequestError) -> StoreError {
    match error.kind() {
        RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::InvalidSubject => failed(error),
        _ => unavailable(error),
    }
}
