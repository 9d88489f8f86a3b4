//! What a client's sessions ask of AWS.

use hyper::Uri;
use hyper::header::HeaderMap;
use unbroken_proto::ssm::event::DataKeyRequest;
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::Tls;

use super::kms::context;
use super::load::Aws;
use super::signer::Signer;
use crate::api::{Api, ClientService};
use crate::service::{Grant, SealedKey, Service, TokenError};

impl Aws {
    /// The [`Service`] of a client's sessions with `target`, which is what they were started with: data keys depend on it.
    #[must_use]
    pub fn client(&self, target: impl Into<String>) -> AwsClient {
        let service = ClientService::new(self.api());
        AwsClient {
            aws: self.clone(),
            target: target.into(),
            service,
        }
    }
}

/// The [`Service`] of a client's sessions with one target at AWS: tokens of ResumeSession, signed upgrades, data keys of KMS.
#[derive(Clone, Debug)]
pub struct AwsClient {
    aws: Aws,
    target: String,
    service: ClientService<Signer>,
}

impl AwsClient {
    /// The calls of a client.
    #[must_use]
    pub fn api(&self) -> &Api<Signer> {
        self.service.api()
    }
}

impl Service for AwsClient {
    async fn token(&self, session_id: &str) -> Result<Grant, TokenError> {
        self.service.token(session_id).await
    }

    async fn upgrade(&self, url: &Uri) -> Result<HeaderMap, ConnectError> {
        self.service.upgrade(url).await
    }

    fn tls(&self) -> Option<Tls> {
        Some(self.aws.http.tls().clone())
    }

    async fn data_key(&self, session_id: &str, request: &DataKeyRequest) -> Result<SealedKey, String> {
        let context = context(session_id, &self.target, request.challenge.as_deref());
        let made = self.aws.generate_data_key(&request.kms_key_id, &context).await;
        made.map_err(|error| error.to_string())
    }
}
