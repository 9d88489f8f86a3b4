//! What an end can prove itself with: static keys and shared secrets.

use alloc::vec;
use core::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use bytes::Bytes;
use curve25519_dalek::MontgomeryPoint;
use zeroize::Zeroizing;

use crate::error::ConfigError;

/// Longest hint in bytes.
const MAX_HINT: usize = 64;
/// What the salt of a passphrase begins with; the hint follows.
const SALT_LABEL: &[u8] = b"unbroken v1 passphrase";
/// Argon2id: memory in KiB, passes, lanes.
const ARGON2: (u32, u32, u32) = (19_456, 2, 1);

/// X25519 static public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// X25519 static secret key; wiped on drop, and `Debug` prints nothing of it.
///
/// ```
/// use unbroken_proto::security::StaticKey;
/// let key = StaticKey::from_bytes([7; 32]); // outside documentation: 32 bytes of the system's randomness
/// assert_eq!(key.public(), StaticKey::from_bytes([7; 32]).public());
/// ```
#[derive(Clone)]
pub struct StaticKey {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl StaticKey {
    /// From 32 secret random bytes; any value is a valid key.
    #[must_use]
    pub fn from_bytes(secret: [u8; 32]) -> StaticKey {
        let secret = Zeroizing::new(secret);
        let public = MontgomeryPoint::mul_base_clamped(*secret).to_bytes();
        StaticKey { secret, public }
    }

    /// The half that others may know: what they pin, or list as a client.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.public)
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(super) fn public_bytes(&self) -> &[u8; 32] {
        &self.public
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKey(..)")
    }
}

/// A secret both ends hold, with the hint that names it in the clear (0 to 64 bytes).
///
/// Whoever knows it can play either end: share one among several clients and each of them can play
/// the server. One made from a passphrase can moreover be guessed offline by whoever played the
/// server once, so no credential is sent because of it alone.
#[derive(Clone)]
pub struct SharedSecret {
    hint: Bytes,
    key: Zeroizing<[u8; 32]>,
    from_passphrase: bool,
}

impl SharedSecret {
    /// From 32 secret random bytes.
    ///
    /// # Errors
    /// [`ConfigError::TooLong`] for a hint of more than 64 bytes.
    pub fn from_key(hint: &[u8], key: [u8; 32]) -> Result<SharedSecret, ConfigError> {
        Ok(SharedSecret {
            hint: check_hint(hint)?,
            key: Zeroizing::new(key),
            from_passphrase: false,
        })
    }

    /// From a passphrase, through Argon2id; costs some 50 ms and 19 MiB, once. The bytes count as they are:
    /// no case folding, no Unicode normalisation. The hint is part of the salt, so both ends must
    /// write it the same.
    ///
    /// # Errors
    /// [`ConfigError::Passphrase`] for an empty passphrase or one that Argon2 does not take
    /// (4 GiB), [`ConfigError::TooLong`] for a hint of more than 64 bytes.
    pub fn from_passphrase(hint: &[u8], passphrase: &str) -> Result<SharedSecret, ConfigError> {
        let hint = check_hint(hint)?;
        if passphrase.is_empty() {
            return Err(ConfigError::Passphrase);
        }
        let key = stretch(passphrase, &[SALT_LABEL, &hint].concat());
        let key = key.map_err(|_| ConfigError::Passphrase)?;
        Ok(SharedSecret {
            hint,
            key,
            from_passphrase: true,
        })
    }

    /// Its name in the clear.
    #[must_use]
    pub fn hint(&self) -> &Bytes {
        &self.hint
    }

    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Whether trying likely passphrases against a recorded proof could find it.
    pub(super) fn is_guessable(&self) -> bool {
        self.from_passphrase
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret")
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

fn stretch(passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, argon2::Error> {
    let (memory, passes, lanes) = ARGON2;
    let params = Params::new(memory, passes, lanes, Some(32))?;
    let mut blocks = vec![Block::default(); params.block_count()];
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        passphrase.as_bytes(),
        salt,
        key.as_mut(),
        &mut blocks,
    )?;
    Ok(key)
}

fn check_hint(hint: &[u8]) -> Result<Bytes, ConfigError> {
    if hint.len() > MAX_HINT {
        return Err(ConfigError::TooLong {
            field: "hint",
            max: MAX_HINT,
        });
    }
    Ok(Bytes::copy_from_slice(hint))
}

#[cfg(test)]
mod tests;
