//! What an agent's sessions ask of the service.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use hyper::{Request, Uri};
use roxmltree::Document;
use thiserror::Error;
use unbroken_proto::config::Seed;
use unbroken_proto::ssm::Uuid;
use unbroken_proto::ssm::body::{CreateDataChannel, MAX_BODY, Token};
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::driver::KnownAddresses;
use unbroken_tokio::carriers::driver::fresh_seed;

use super::calls::{AGENT, send};
use super::error::ApiError;
use super::http::{Http, authority_of};
use super::http_error::HttpError;
use super::sign::{Sign, Unsigned, sign_upgrade};
use crate::dialling::ByteStream;
use crate::service::{Grant, Service, TERMINATED, TokenError};

/// The [`Service`] of an agent's sessions: CreateDataChannel before each connection. It has no data keys.
#[derive(Clone, Debug)]
pub struct AgentService<S = Unsigned> {
    http: Http,
    gateway: Uri,
    client_id: String,
    signer: S,
}

impl<S: Sign> AgentService<S> {
    /// Asks the gateway at `gateway`, an `http://` or `https://` URL whose path is not looked at, for the session worker that calls itself
    /// `client_id`: a UUID, the same for all of a session's connections. `signer` signs requests and upgrades, for the service `ssmmessages`.
    #[must_use]
    pub fn new(http: Http, gateway: Uri, client_id: impl Into<String>, signer: S) -> AgentService<S> {
        AgentService {
            http,
            gateway,
            client_id: client_id.into(),
            signer,
        }
    }

    /// Posts `request_id`, a UUID, and reads the answer's token.
    ///
    /// # Errors
    /// The gateway says so, or there is no answer.
    async fn create_data_channel(&self, session_id: &str, request_id: String) -> Result<Token, ApiError> {
        let mut body = Vec::new();
        CreateDataChannel {
            message_schema_version: "1.0".into(),
            request_id,
            client_id: self.client_id.clone(),
        }
        .encode(&mut body);
        let url = self.url(self.gateway.scheme_str().unwrap_or_default(), session_id)?;
        let request = Request::post(&url)
            .header(HOST, authority_of(&url)?)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(body))
            .map_err(|_| HttpError::Url)?;
        let answer = send(&self.http, &self.signer, "ssmmessages", request).await?;
        token_of(&answer).map_err(ApiError::answer)
    }

    /// Where a session's data channel is.
    fn url(&self, scheme: &str, session_id: &str) -> Result<Uri, HttpError> {
        let authority = self.gateway.authority().ok_or(HttpError::Url)?;
        let url = format!("{scheme}://{authority}/v1/data-channel/{}", segment(session_id));
        url.parse().map_err(|_| HttpError::Url)
    }

    fn stream_url(&self, session_id: &str) -> Result<String, HttpError> {
        let scheme = match self.gateway.scheme_str() {
            Some("https") => "wss",
            Some("http") => "ws",
            _ => return Err(HttpError::Url),
        };
        Ok(format!("{}?role=publish_subscribe", self.url(scheme, session_id)?))
    }
}

impl<S: Sign> Service for AgentService<S> {
    async fn token(&self, session_id: &str) -> Result<Grant, TokenError> {
        let stream_url = self.stream_url(session_id).map_err(ConnectError::from)?;
        let request_id = uuid().map_err(ConnectError::from)?;
        match self.create_data_channel(session_id, request_id).await {
            Ok(token) if token.is_empty() => Err(TokenError::Gone(String::new())),
            Ok(token) => Ok(Grant::new(token).at(stream_url)),
            Err(ApiError::Service(error)) if error.status == 410 || error.message.contains(TERMINATED) => {
                Err(TokenError::Gone(error.message))
            }
            Err(error) => Err(error.into_token_error()),
        }
    }

    async fn upgrade(&self, url: &Uri) -> Result<HeaderMap, ConnectError> {
        sign_upgrade(&self.signer, url).await
    }

    async fn connect(&self, url: &Uri, known: &KnownAddresses, within: Duration) -> Result<ByteStream, ConnectError> {
        self.http.connect(url, known, within).await
    }
}

/// A new UUID.
fn uuid() -> io::Result<String> {
    let Seed(seed) = fresh_seed()?;
    let mut random = [0; 16];
    random.copy_from_slice(&seed[..16]);
    Ok(Uuid::v4(random).to_string())
}

/// What stands between two slashes of a path; what cannot is written in percent.
fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' | b'=' | b'+' | b',' | b':' => {
                segment.push(char::from(byte));
            }
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

/// Why an answer has no token.
#[derive(Debug, Error)]
enum TokenAnswer {
    #[error("{0} bytes of XML")]
    TooLong(usize),
    #[error(transparent)]
    NotXml(#[from] roxmltree::Error),
}

/// The text of `TokenValue`, whatever the root is called; empty if there is none.
fn token_of(answer: &[u8]) -> Result<Token, TokenAnswer> {
    if answer.len() > MAX_BODY {
        return Err(TokenAnswer::TooLong(answer.len()));
    }
    let text = String::from_utf8_lossy(answer);
    let document = Document::parse(&text)?;
    let mut elements = document.root_element().children();
    let token = elements.find(|element| element.tag_name().name() == "TokenValue");
    let text = token.and_then(|token| token.text()).unwrap_or_default();
    Ok(Token(text.trim().to_owned()))
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test")]
mod tests;
