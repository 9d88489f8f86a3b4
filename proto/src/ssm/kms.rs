//! What is sealed when a session is encrypted with a key of AWS KMS: AES-256-GCM without associated data, a nonce of 12 bytes before
//! and a tag of 16 behind.
//!
//! Sealed are the payloads of type Output of a client, and Output, StdErr and ExitCode of an agent; nothing else, and nothing in a port
//! session. The digest of a frame is that of what is sent. Nonces are the caller's, who may draw each at random, as the real client does,
//! or count ([`CountedNonce`]), as the real agent does. **A nonce is used once under one key.** A frame that is sent again is the same
//! bytes again.
//!
//! ```
//! use unbroken_proto::ssm::kms::{DataKey, Direction, KmsError};
//!
//! let key = DataKey::new(std::array::from_fn(|place| place as u8));
//! let ours = key.direction(Direction::ClientToAgent);
//! let mut payload = Vec::new();
//! ours.seal([1; 12], b"ls\n", &mut payload)?;
//! assert_eq!(payload.len(), 31);
//! assert_eq!(key.direction(Direction::ClientToAgent).open(&payload)?, b"ls\n");
//! assert_eq!(key.direction(Direction::AgentToClient).open(&payload), Err(KmsError::NotAuthentic));
//! # Ok::<(), KmsError>(())
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::redacted::Redacted;
use crate::ssm::body::{Base64, EncryptionChallenge};

/// Bytes that the client asks of KMS for a data key: a key for each direction.
pub const DATA_KEY_SIZE: usize = 64;
/// Bytes of a nonce.
pub const NONCE_SIZE: usize = 12;
/// Bytes of a tag.
pub const TAG_SIZE: usize = 16;
/// What sealing adds: a payload of nothing has as many bytes.
pub const OVERHEAD: usize = NONCE_SIZE + TAG_SIZE;
/// Random bytes of a challenge, as the real agent makes it.
pub const CHALLENGE_SIZE: usize = 64;

/// Key of the encryption context whose value is the session's id.
pub const CONTEXT_SESSION_ID: &str = "aws:ssm:SessionId";
/// Key of the encryption context whose value is the target that the session was started with.
pub const CONTEXT_TARGET_ID: &str = "aws:ssm:TargetId";
/// Key of the encryption context whose value is the challenge of the handshake, for a client that acknowledges it.
pub const CONTEXT_RANDOM_CHALLENGE: &str = "aws:ssm:RandomChallenge";

/// Why something was not opened or sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KmsError {
    /// A data key that does not have [`DATA_KEY_SIZE`] bytes.
    #[error("a data key of {length} bytes")]
    KeyLength {
        /// Its bytes.
        length: usize,
    },
    /// Shorter than nonce and tag.
    #[error("{length} bytes are too few for a sealed payload")]
    TooShort {
        /// Its bytes.
        length: usize,
    },
    /// Not sealed under this key, or changed since.
    #[error("not sealed under this key")]
    NotAuthentic,
    /// More than AES-GCM can seal at once: 64 GiB less 32 bytes.
    #[error("too long to be sealed")]
    TooLong,
}

/// The plaintext of a data key. It is wiped when it is dropped, and not printed.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; DATA_KEY_SIZE]>);

impl DataKey {
    /// The data key of these bytes, as KMS made or decrypted it.
    #[must_use]
    pub fn new(bytes: [u8; DATA_KEY_SIZE]) -> DataKey {
        DataKey(Zeroizing::new(bytes))
    }

    /// The same from a slice.
    ///
    /// # Errors
    /// [`KmsError::KeyLength`].
    pub fn from_slice(bytes: &[u8]) -> Result<DataKey, KmsError> {
        let length = bytes.len();
        let bytes = bytes.try_into().map_err(|_| KmsError::KeyLength { length })?;
        Ok(DataKey::new(bytes))
    }

    /// The key of one direction: the first half is the agent's to seal with, the second half the client's.
    #[must_use]
    pub fn direction(&self, direction: Direction) -> DirectionKey {
        let (agent, client) = self.0.split_at(DATA_KEY_SIZE / 2);
        let half = match direction {
            Direction::AgentToClient => agent,
            Direction::ClientToAgent => client,
        };
        let mut key = Zeroizing::new([0; DATA_KEY_SIZE / 2]);
        key.copy_from_slice(half);
        DirectionKey(Box::new(Aes256Gcm::new((&*key).into())))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataKey").field(&Redacted(&*self.0)).finish()
    }
}

/// Whose payloads a key seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// What the agent sends.
    AgentToClient,
    /// What the client sends.
    ClientToAgent,
}

/// The key of one direction, with its schedule; wiped when it is dropped.
#[derive(Clone)]
pub struct DirectionKey(Box<Aes256Gcm>);

impl fmt::Debug for DirectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectionKey(..)")
    }
}

impl DirectionKey {
    /// Appends the sealed `plaintext` to `out`: [`OVERHEAD`] bytes more than it has. `nonce` must be new under this key.
    ///
    /// # Errors
    /// [`KmsError::TooLong`]; `out` is then as it was.
    pub fn seal(&self, nonce: [u8; NONCE_SIZE], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), KmsError> {
        let start = out.len();
        out.reserve(plaintext.len().saturating_add(OVERHEAD));
        out.extend_from_slice(&nonce);
        let sealed_at = out.len();
        out.extend_from_slice(plaintext);
        let data = out.get_mut(sealed_at..).unwrap_or_default();
        match self.0.encrypt_in_place_detached(&nonce.into(), &[], data) {
            Ok(tag) => {
                out.extend_from_slice(&tag);
                Ok(())
            }
            Err(_) => {
                out.truncate(start);
                Err(KmsError::TooLong)
            }
        }
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// [`KmsError::TooShort`], [`KmsError::NotAuthentic`]. The real client drops such a frame, does not acknowledge it, and waits for
    /// ever for another of its number.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, KmsError> {
        let parts = sealed
            .split_first_chunk::<NONCE_SIZE>()
            .and_then(|(nonce, rest)| Some((nonce, rest.split_last_chunk::<TAG_SIZE>()?)));
        let Some((nonce, (data, tag))) = parts else {
            return Err(KmsError::TooShort { length: sealed.len() });
        };
        let mut plaintext = data.to_vec();
        self.0
            .decrypt_in_place_detached(nonce.into(), &[], &mut plaintext, tag.into())
            .map_err(|_| KmsError::NotAuthentic)?;
        Ok(plaintext)
    }
}

/// Nonces that are counted from a random start, as 96 bits little-endian: those of the real agent.
#[derive(Clone, Debug)]
pub struct CountedNonce([u8; NONCE_SIZE]);

impl CountedNonce {
    /// Begins with this one, which is drawn at random.
    #[must_use]
    pub fn new(start: [u8; NONCE_SIZE]) -> CountedNonce {
        CountedNonce(start)
    }

    /// The next nonce. After 2^96 of them it would be the first again.
    pub fn advance(&mut self) -> [u8; NONCE_SIZE] {
        let nonce = self.0;
        for byte in &mut self.0 {
            let (next, carried) = byte.overflowing_add(1);
            *byte = next;
            if !carried {
                break;
            }
        }
        nonce
    }
}

/// What proves that both ends have the data key: the agent seals it with its key, the client opens it and seals it with its own.
///
/// It is wiped when it is dropped, not printed, and compared in constant time.
#[derive(Clone)]
pub struct Challenge(Zeroizing<Vec<u8>>);

impl Challenge {
    /// A new one out of random bytes.
    #[must_use]
    pub fn new(random: [u8; CHALLENGE_SIZE]) -> Challenge {
        Challenge(Zeroizing::new(random.to_vec()))
    }

    /// The body of the agent's frame, under [`Direction::AgentToClient`], or the client's, under the other. `nonce` must be new under this
    /// key.
    ///
    /// # Errors
    /// As [`DirectionKey::seal`].
    pub fn seal(&self, key: &DirectionKey, nonce: [u8; NONCE_SIZE]) -> Result<EncryptionChallenge, KmsError> {
        let mut sealed = Vec::new();
        key.seal(nonce, &self.0, &mut sealed)?;
        Ok(EncryptionChallenge {
            challenge: Base64(sealed),
        })
    }

    /// Opens the peer's body under the key of its direction. A client answers to whatever opens, of any length, as the real one does; an
    /// agent compares it with what it sent.
    ///
    /// # Errors
    /// As [`DirectionKey::open`].
    pub fn open(key: &DirectionKey, body: &EncryptionChallenge) -> Result<Challenge, KmsError> {
        key.open(&body.challenge.0).map(Zeroizing::new).map(Challenge)
    }
}

impl PartialEq for Challenge {
    fn eq(&self, other: &Challenge) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Challenge {}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Challenge").field(&Redacted(&self.0)).finish()
    }
}

#[cfg(test)]
mod tests;
