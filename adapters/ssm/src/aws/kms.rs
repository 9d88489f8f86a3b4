//! Data keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unbroken_proto::ssm::body::Base64;
use unbroken_proto::ssm::kms::{
    CONTEXT_RANDOM_CHALLENGE, CONTEXT_SESSION_ID, CONTEXT_TARGET_ID, DATA_KEY_SIZE, DataKey,
};
use zeroize::Zeroizing;

use super::load::Aws;
use crate::api::{ApiError, call};
use crate::service::SealedKey;

/// What GenerateDataKey is asked.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateDataKey<'a> {
    key_id: &'a str,
    number_of_bytes: usize,
    encryption_context: &'a BTreeMap<&'a str, &'a str>,
}

/// What it answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GeneratedDataKey {
    ciphertext_blob: Base64,
    plaintext: Base64,
}

/// The encryption context of a session's data key.
pub(super) fn context<'a>(
    session_id: &'a str,
    target: &'a str,
    challenge: Option<&'a str>,
) -> BTreeMap<&'static str, &'a str> {
    let always = [(CONTEXT_SESSION_ID, session_id), (CONTEXT_TARGET_ID, target)];
    let challenge = challenge.map(|challenge| (CONTEXT_RANDOM_CHALLENGE, challenge));
    always.into_iter().chain(challenge).collect()
}

impl Aws {
    /// A new data key of 64 bytes from the key `key_id` of KMS, under an encryption context: whoever decrypts it has to name the same one. The
    /// plaintext is wiped when it is dropped, but copies of it have been in the buffers of TLS and HTTP, which are not.
    ///
    /// # Errors
    /// KMS says so, or there is no answer.
    pub async fn generate_data_key(&self, key_id: &str, context: &BTreeMap<&str, &str>) -> Result<SealedKey, ApiError> {
        let wanted = GenerateDataKey {
            key_id,
            number_of_bytes: DATA_KEY_SIZE,
            encryption_context: context,
        };
        let body = serde_json::to_vec(&wanted).map_err(|_| ApiError::Unsignable)?;
        let target = ("kms", "TrentService.GenerateDataKey");
        let answer = call(&self.http, &self.signer, &self.kms, target, body).await?;
        let made: GeneratedDataKey = serde_json::from_slice(&answer).map_err(ApiError::answer)?;
        let plaintext = Zeroizing::new(made.plaintext.0);
        if made.ciphertext_blob.0.is_empty() {
            return Err(ApiError::answer("a data key without its ciphertext"));
        }
        Ok(SealedKey {
            key: DataKey::from_slice(&plaintext).map_err(ApiError::answer)?,
            cipher_text: made.ciphertext_blob.0,
        })
    }
}

#[cfg(test)]
mod tests;
