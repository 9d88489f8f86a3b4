//! What agent and client say about the data key.

use alloc::string::String;

use crate::ssm::body::base64::Base64;
use crate::ssm::body::raw::RawJson;
use crate::ssm::json::body;

body! {
    /// The agent asks for a data key.
    pub struct KmsParameters {
        /// The key in KMS under which the data key is made: an id, an ARN or an alias.
        "KMSKeyId" => pub kms_key_id: String,
        /// Base64 of 16 random bytes, as text: as such it goes into the encryption context of a client that acknowledges it. Old
        /// agents have none.
        "Challenge" => pub challenge: Option<String>,
    }
}

body! {
    /// The client's answer: the data key as KMS encrypted it.
    pub struct KmsResult {
        /// The encrypted key.
        "KMSCipherTextKey" => pub cipher_text_key: Base64,
        /// Nothing; there is always `null`.
        "KMSCipherTextHash" => pub cipher_text_hash: Base64,
        /// Whether the challenge is part of the encryption context.
        "ChallengeAcknowledgement" => pub challenge_acknowledgement: Option<bool>,
    }
}

impl KmsResult {
    /// As it stands in [`ProcessedClientAction`](crate::ssm::body::ProcessedClientAction).
    #[must_use]
    pub fn to_raw(&self) -> RawJson {
        RawJson::of(self)
    }
}
