//! Data keys.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
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

/// What Decrypt is asked.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt<'a> {
    ciphertext_blob: String,
    key_id: &'a str,
    encryption_context: &'a BTreeMap<&'a str, &'a str>,
}

/// What it answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
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
        let made: GeneratedDataKey = self.ask_kms("TrentService.GenerateDataKey", &wanted).await?;
        let key = data_key(made.plaintext)?;
        if made.ciphertext_blob.0.is_empty() {
            return Err(ApiError::answer("a data key without its ciphertext"));
        }
        Ok(SealedKey {
            key,
            cipher_text: made.ciphertext_blob.0,
        })
    }

    /// The data key that [`generate_data_key`](Aws::generate_data_key) has made from the key `key_id` under the same `context`, out of its
    /// ciphertext. As there, copies of the plaintext stay in the buffers of TLS and HTTP.
    ///
    /// # Errors
    /// KMS says so (it was another key, or another context), there is no answer, or it is no data key.
    pub async fn decrypt_data_key(
        &self,
        key_id: &str,
        cipher_text: &[u8],
        context: &BTreeMap<&str, &str>,
    ) -> Result<DataKey, ApiError> {
        let wanted = Decrypt {
            ciphertext_blob: Base64(cipher_text.to_vec()).to_text(),
            key_id,
            encryption_context: context,
        };
        let made: Decrypted = self.ask_kms("TrentService.Decrypt", &wanted).await?;
        data_key(made.plaintext)
    }

    async fn ask_kms<T: DeserializeOwned>(
        &self,
        target: &'static str,
        wanted: &(impl Serialize + Sync),
    ) -> Result<T, ApiError> {
        let body = serde_json::to_vec(wanted).map_err(|_| ApiError::Unsignable)?;
        let answer = call(&self.http, &self.signer, &self.kms, ("kms", target), body).await?;
        serde_json::from_slice(&answer).map_err(ApiError::answer)
    }
}

/// A data key of an answer, which is wiped.
fn data_key(plaintext: Base64) -> Result<DataKey, ApiError> {
    let plaintext = Zeroizing::new(plaintext.0);
    DataKey::from_slice(&plaintext).map_err(ApiError::answer)
}

#[cfg(test)]
mod tests;
