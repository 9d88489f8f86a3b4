//! The calls of a client: JSON 1.1 over POST.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use serde::{Deserialize, Serialize};
use unbroken_proto::ssm::body::{ResumeSession, SessionGrant, Token};

use super::error::{ApiError, ServiceError};
use super::http::{Http, authority_of};
use super::http_error::HttpError;
use super::sign::{Sign, Unsigned};
use crate::service::{Grant, TokenError};

/// Whom the requests come from.
pub(super) const AGENT: &str = concat!("unbroken-ssm/", env!("CARGO_PKG_VERSION"));

/// What a client asks of the service, at one endpoint. Cheap to clone if the signer is.
#[derive(Clone, Debug)]
pub struct Api<S = Unsigned> {
    http: Http,
    endpoint: Uri,
    signer: S,
}

impl<S: Sign> Api<S> {
    /// Asks the service at `endpoint`, an `http://` or `https://` URL, with requests that `signer` signs for the service `ssm`.
    #[must_use]
    pub fn new(http: Http, endpoint: Uri, signer: S) -> Api<S> {
        Api { http, endpoint, signer }
    }

    /// Who signs.
    pub fn signer(&self) -> &S {
        &self.signer
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// Where it asks.
    pub fn endpoint(&self) -> &Uri {
        &self.endpoint
    }

    /// Starts a session.
    ///
    /// # Errors
    /// The service says so, or there is no answer. There may be a session all the same, which nobody connects to.
    pub async fn start_session(&self, wanted: &StartSession) -> Result<Started, ApiError> {
        let body = serde_json::to_vec(wanted).map_err(|_| ApiError::Unsignable)?;
        let answer = self.call("AmazonSSM.StartSession", body).await?;
        let grant = SessionGrant::decode(&answer)?;
        if grant.session_id.is_empty() || grant.stream_url.is_empty() || grant.token_value.is_empty() {
            return Err(ApiError::answer("a session without an id, a URL or a token"));
        }
        Ok(Started {
            session_id: grant.session_id,
            stream_url: grant.stream_url,
            token: grant.token_value,
        })
    }

    /// A token for a session's next connection, and where to dial.
    ///
    /// # Errors
    /// [`TokenError::Gone`] if the service gives no token, or says that it does not have the session; all else may pass.
    pub async fn resume_session(&self, session_id: &str) -> Result<Grant, TokenError> {
        let answer = self.call("AmazonSSM.ResumeSession", session(session_id)).await;
        let answer = answer.map_err(ApiError::into_token_error)?;
        let grant = SessionGrant::decode(&answer).map_err(|error| ApiError::from(error).into_token_error())?;
        if grant.token_value.is_empty() {
            return Err(TokenError::Gone(String::new()));
        }
        let token = Grant::new(grant.token_value);
        Ok(match grant.stream_url.as_str() {
            "" => token,
            url => token.at(url),
        })
    }

    /// Ends a session. One that the service does not have is ended.
    ///
    /// # Errors
    /// The service says so, or there is no answer. The session may be ended all the same.
    pub async fn terminate_session(&self, session_id: &str) -> Result<(), ApiError> {
        match self.call("AmazonSSM.TerminateSession", session(session_id)).await {
            Err(ApiError::Service(error)) if error.is_gone() => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn call(&self, target: &'static str, body: Vec<u8>) -> Result<Bytes, ApiError> {
        call(&self.http, &self.signer, &self.endpoint, ("ssm", target), body).await
    }
}

/// The body of a call about a session.
fn session(session_id: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let session_id = session_id.to_owned();
    ResumeSession { session_id }.encode(&mut body);
    body
}

/// Calls `target` of the service that signatures call `name`; the answer's body.
pub(crate) async fn call(
    http: &Http,
    signer: &impl Sign,
    endpoint: &Uri,
    (name, target): (&'static str, &'static str),
    body: Vec<u8>,
) -> Result<Bytes, ApiError> {
    let request = Request::post(endpoint.clone())
        .header(HOST, authority_of(endpoint)?)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .body(Bytes::from(body))
        .map_err(|_| HttpError::Url)?;
    send(http, signer, name, request).await
}

/// Signs a request and sends it; the body of a successful answer.
pub(super) async fn send(
    http: &Http,
    signer: &impl Sign,
    name: &'static str,
    mut request: Request<Bytes>,
) -> Result<Bytes, ApiError> {
    let signature = signer.sign(name, &request).await?;
    request.headers_mut().extend(signature);
    let answer = http.send(request).await?;
    if answer.status().is_success() {
        return Ok(answer.into_body());
    }
    let error = ServiceError::read(&answer);
    if error.is_refusal() {
        signer.refused();
    }
    Err(error.into())
}

/// What kind of session is to be started.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct StartSession {
    /// The id of an instance, or what else the service can connect to.
    pub target: String,
    /// The document that says what runs; `None`: a shell, as the account's preferences have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_name: Option<String>,
    /// What the document asks for, such as `portNumber`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Why, for the service's records: up to 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl StartSession {
    /// A shell at `target`.
    #[must_use]
    pub fn new(target: impl Into<String>) -> StartSession {
        StartSession {
            target: target.into(),
            document_name: None,
            parameters: BTreeMap::new(),
            reason: None,
        }
    }

    /// What `name` says, such as `AWS-StartPortForwardingSession`.
    #[must_use]
    pub fn document(mut self, name: impl Into<String>) -> StartSession {
        self.document_name = Some(name.into());
        self
    }

    /// Adds a value to a parameter of the document.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> StartSession {
        self.parameters.entry(name.into()).or_default().push(value.into());
        self
    }

    /// Says why.
    #[must_use]
    pub fn reason(mut self, why: impl Into<String>) -> StartSession {
        self.reason = Some(why.into());
        self
    }
}

/// A session that was started, and waits for both ends to connect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Started {
    /// Its id.
    pub session_id: String,
    /// Where to dial.
    pub stream_url: String,
    /// For the first connection. Not printed.
    pub token: Token,
}

impl Started {
    /// What StartSession answered to somebody else.
    #[must_use]
    pub fn new(session_id: impl Into<String>, stream_url: impl Into<String>, token: Token) -> Started {
        Started {
            session_id: session_id.into(),
            stream_url: stream_url.into(),
            token,
        }
    }
}
