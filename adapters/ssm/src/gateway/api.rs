//! The calls of AWS's API.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use unbroken_proto::ssm::body::{ResumeSession, SessionGrant, Token};
use unbroken_proto::ssm::gateway::{End, StartError};
use unbroken_tokio::carriers::http::HeaderMap;

use super::sessions::{ApiError, StartRequest};
use super::shared::Shared;

/// The body of StartSession.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartSession {
    target: String,
    document_name: Option<String>,
    parameters: Option<BTreeMap<String, Vec<String>>>,
    reason: Option<String>,
}

/// Ends the session that was begun, unless its start succeeds.
struct Begun {
    shared: Arc<Shared>,
    session_id: String,
    succeeded: bool,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.succeeded {
            self.shared
                .with(|machine, now| machine.terminate(now, &self.session_id, ""));
        }
    }
}

/// Does what `target` names; the body of the answer. `base` is what stream URLs begin with.
pub(super) async fn call(
    shared: &Arc<Shared>,
    base: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Vec<u8>, ApiError> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match target.and_then(|target| target.strip_prefix("AmazonSSM.")) {
        Some("StartSession") => start(shared, base, headers, &body).await,
        Some("ResumeSession") => resume(shared, base, &body),
        Some("TerminateSession") => terminate(shared, &body),
        _ => Err(ApiError::new(
            "UnknownOperationException",
            "There is no such operation here.",
        )),
    }
}

async fn start(shared: &Arc<Shared>, base: &str, headers: HeaderMap, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let called: StartSession = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    if called.target.is_empty() {
        return Err(ApiError::new("ValidationException", "Target is empty."));
    }
    let session_id = shared.with(|machine, now| {
        let session_id = machine.fresh_id();
        machine.start(now, &session_id).map(|()| session_id)
    });
    let session_id = session_id.map_err(|error| match error {
        StartError::Full => ApiError::new("ThrottlingException", "There are too many sessions."),
        other => ApiError::new("InternalServerError", other.to_string()),
    })?;
    let mut begun = Begun {
        shared: Arc::clone(shared),
        session_id: session_id.clone(),
        succeeded: false,
    };
    let stream_url = stream_url(base, &session_id);
    let request = StartRequest {
        session_id: session_id.clone(),
        stream_url: stream_url.clone(),
        target: called.target.clone(),
        document_name: called.document_name,
        parameters: called.parameters.unwrap_or_default(),
        reason: called.reason,
        headers: Arc::new(headers),
    };
    (shared.start)(request).await?;
    let token = shared.with(|machine, _| machine.token(&session_id, End::Client));
    // Its agent may have ended it meanwhile.
    let token = token.ok_or_else(|| ApiError::target_not_connected(&called.target))?;
    begun.succeeded = true;
    Ok(grant(session_id, token, stream_url))
}

fn resume(shared: &Shared, base: &str, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let ResumeSession { session_id } = ResumeSession::decode(body).map_err(|error| malformed(&error))?;
    let token = shared.with(|machine, _| machine.token(&session_id, End::Client));
    Ok(match token {
        Some(token) => {
            let stream_url = stream_url(base, &session_id);
            grant(session_id, token, stream_url)
        }
        // An answer without a token is how a client learns that there is no such session any more.
        None => b"{}".to_vec(),
    })
}

/// A session that is over already is ended as well as one that was not, as far as the caller is concerned.
fn terminate(shared: &Shared, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    // It has the same body as ResumeSession.
    let called = ResumeSession::decode(body).map_err(|error| malformed(&error))?;
    shared.with(|machine, now| machine.terminate(now, &called.session_id, ""));
    Ok(serde_json::json!({ "SessionId": called.session_id }).to_string().into())
}

fn grant(session_id: String, token_value: Token, stream_url: String) -> Vec<u8> {
    let grant = SessionGrant {
        session_id,
        token_value,
        stream_url,
    };
    let mut body = Vec::new();
    grant.encode(&mut body);
    body
}

fn stream_url(base: &str, session_id: &str) -> String {
    format!("{base}/v1/data-channel/{session_id}?role=publish_subscribe")
}

fn malformed(error: &impl ToString) -> ApiError {
    ApiError::new("SerializationException", error.to_string())
}
