//! What an agent's sessions ask of AWS.

use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderMap;
use unbroken_proto::ssm::event::DataKeyRequest;
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::driver::KnownAddresses;

use super::kms::context;
use super::load::Aws;
use super::signer::Signer;
use crate::api::AgentService;
use crate::dialling::ByteStream;
use crate::service::{Grant, SealedKey, Service, TokenError};

impl Aws {
    /// The [`Service`] of sessions of an agent that is `target` to its clients: data keys depend on it. `gateway` and `client_id` are those of
    /// [`AgentService::new`].
    #[must_use]
    pub fn agent(&self, gateway: Uri, client_id: impl Into<String>, target: impl Into<String>) -> AwsAgent {
        let service = AgentService::new(self.http.clone(), gateway, client_id, self.signer.clone());
        AwsAgent {
            aws: self.clone(),
            target: target.into(),
            service,
        }
    }
}

/// The [`Service`] of an agent's sessions at AWS: tokens of CreateDataChannel, signed upgrades, data keys that KMS decrypts.
#[derive(Clone, Debug)]
pub struct AwsAgent {
    aws: Aws,
    target: String,
    service: AgentService<Signer>,
}

impl Service for AwsAgent {
    async fn token(&self, session_id: &str) -> Result<Grant, TokenError> {
        self.service.token(session_id).await
    }

    async fn upgrade(&self, url: &Uri) -> Result<HeaderMap, ConnectError> {
        self.service.upgrade(url).await
    }

    async fn connect(&self, url: &Uri, known: &KnownAddresses, within: Duration) -> Result<ByteStream, ConnectError> {
        self.service.connect(url, known, within).await
    }

    async fn data_key(&self, session_id: &str, request: &DataKeyRequest) -> Result<SealedKey, String> {
        let Some(cipher_text) = &request.cipher_text_key else {
            return Err("the client sent no data key".into());
        };
        let context = context(session_id, &self.target, request.challenge.as_deref());
        let key = self
            .aws
            .decrypt_data_key(&request.kms_key_id, cipher_text, &context)
            .await;
        Ok(SealedKey {
            key: key.map_err(|error| error.to_string())?,
            cipher_text: Vec::new(),
        })
    }
}
