//! What a client's sessions ask of the service.

use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderMap;
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::driver::KnownAddresses;

use super::calls::Api;
use super::sign::{Sign, Unsigned, sign_upgrade};
use crate::dialling::ByteStream;
use crate::service::{Grant, Service, TokenError};

/// The [`Service`] of a client's sessions: ResumeSession for each further connection, upgrades that are signed if the API's calls are. It has
/// no data keys.
#[derive(Clone, Debug)]
pub struct ClientService<S = Unsigned> {
    api: Api<S>,
}

impl<S: Sign> ClientService<S> {
    /// With the tokens of `api`.
    #[must_use]
    pub fn new(api: Api<S>) -> ClientService<S> {
        ClientService { api }
    }

    /// Where it asks.
    pub fn api(&self) -> &Api<S> {
        &self.api
    }
}

impl<S: Sign> Service for ClientService<S> {
    async fn token(&self, session_id: &str) -> Result<Grant, TokenError> {
        self.api.resume_session(session_id).await
    }

    async fn upgrade(&self, url: &Uri) -> Result<HeaderMap, ConnectError> {
        sign_upgrade(self.api.signer(), url).await
    }

    async fn connect(&self, url: &Uri, known: &KnownAddresses, within: Duration) -> Result<ByteStream, ConnectError> {
        self.api.http().connect(url, known, within).await
    }
}
