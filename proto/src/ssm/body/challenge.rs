//! The proof that both ends have the data key.

use crate::ssm::body::base64::Base64;
use crate::ssm::json::body;

body! {
    /// The agent's challenge and the client's answer, which have one form. [`Challenge`](crate::ssm::kms::Challenge) opens and seals it.
    pub struct EncryptionChallenge {
        /// 64 random bytes, sealed under the key of whoever sends them.
        "Challenge" => pub challenge: Base64,
    }
}
