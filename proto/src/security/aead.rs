//! One AEAD key: `ring` under feature `std`, RustCrypto without. The bytes are the same.

use super::suite::Algorithm;

/// Length of an authentication tag.
pub(super) const TAG: usize = 16;

/// The bytes did not open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

/// Nonces as Noise numbers them: 32 zero bits, then the counter, in the byte order of the cipher.
fn nonce_bytes(algorithm: Algorithm, nonce: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&match algorithm {
        Algorithm::Aes256Gcm => nonce.to_be_bytes(),
        Algorithm::ChaChaPoly => nonce.to_le_bytes(),
    });
    bytes
}

#[cfg(feature = "std")]
mod backend {
    use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

    use super::{Algorithm, NotAuthentic, TAG, nonce_bytes};

    /// A key with its schedule.
    pub(in super::super) struct AeadKey {
        algorithm: Algorithm,
        key: LessSafeKey,
    }

    impl AeadKey {
        pub(in super::super) fn new(algorithm: Algorithm, key: &[u8; 32]) -> AeadKey {
            let unbound = match algorithm {
                Algorithm::Aes256Gcm => UnboundKey::new(&AES_256_GCM, key),
                Algorithm::ChaChaPoly => UnboundKey::new(&CHACHA20_POLY1305, key),
            };
            let unbound = unbound.expect("because both algorithms take 32 bytes");
            AeadKey {
                algorithm,
                key: LessSafeKey::new(unbound),
            }
        }

        /// Encrypts `data` in place. The caller never uses a nonce twice.
        pub(in super::super) fn seal(&self, nonce: u64, ad: &[u8], data: &mut [u8]) -> [u8; TAG] {
            let nonce = Nonce::assume_unique_for_key(nonce_bytes(self.algorithm, nonce));
            let tag = self
                .key
                .seal_in_place_separate_tag(nonce, Aad::from(ad), data)
                .expect("because a packet is far below the 2^36 bytes that both ciphers take");
            let mut bytes = [0; TAG];
            bytes.copy_from_slice(tag.as_ref());
            bytes
        }

        /// Decrypts `data` in place; on an error its content is worthless.
        pub(in super::super) fn open(
            &self,
            nonce: u64,
            ad: &[u8],
            data: &mut [u8],
            tag: [u8; TAG],
        ) -> Result<(), NotAuthentic> {
            let nonce = Nonce::assume_unique_for_key(nonce_bytes(self.algorithm, nonce));
            match self
                .key
                .open_in_place_separate_tag(nonce, Aad::from(ad), Tag::from(tag), data, 0..)
            {
                Ok(_) => Ok(()),
                Err(_) => Err(NotAuthentic),
            }
        }
    }
}

#[cfg(not(feature = "std"))]
mod backend {
    use alloc::boxed::Box;

    use aes_gcm::Aes256Gcm;
    use aes_gcm::aead::{AeadInPlace, KeyInit};
    use chacha20poly1305::ChaCha20Poly1305;

    use super::{Algorithm, NotAuthentic, TAG, nonce_bytes};

    /// A key with its schedule; that of AES is some kilobyte.
    pub(in super::super) enum AeadKey {
        Aes256Gcm(Box<Aes256Gcm>),
        ChaChaPoly(ChaCha20Poly1305),
    }

    impl AeadKey {
        pub(in super::super) fn new(algorithm: Algorithm, key: &[u8; 32]) -> AeadKey {
            match algorithm {
                Algorithm::Aes256Gcm => AeadKey::Aes256Gcm(Box::new(Aes256Gcm::new(key.into()))),
                Algorithm::ChaChaPoly => AeadKey::ChaChaPoly(ChaCha20Poly1305::new(key.into())),
            }
        }

        /// Encrypts `data` in place. The caller never uses a nonce twice.
        pub(in super::super) fn seal(&self, nonce: u64, ad: &[u8], data: &mut [u8]) -> [u8; TAG] {
            let sealed = match self {
                AeadKey::Aes256Gcm(key) => {
                    let nonce = nonce_bytes(Algorithm::Aes256Gcm, nonce);
                    key.encrypt_in_place_detached(&nonce.into(), ad, data)
                }
                AeadKey::ChaChaPoly(key) => {
                    let nonce = nonce_bytes(Algorithm::ChaChaPoly, nonce);
                    key.encrypt_in_place_detached(&nonce.into(), ad, data)
                }
            };
            sealed
                .expect("because a packet is far below the 2^36 bytes that both ciphers take")
                .into()
        }

        /// Decrypts `data` in place; on an error its content is worthless.
        pub(in super::super) fn open(
            &self,
            nonce: u64,
            ad: &[u8],
            data: &mut [u8],
            tag: [u8; TAG],
        ) -> Result<(), NotAuthentic> {
            let opened = match self {
                AeadKey::Aes256Gcm(key) => {
                    let nonce = nonce_bytes(Algorithm::Aes256Gcm, nonce);
                    key.decrypt_in_place_detached(&nonce.into(), ad, data, &tag.into())
                }
                AeadKey::ChaChaPoly(key) => {
                    let nonce = nonce_bytes(Algorithm::ChaChaPoly, nonce);
                    key.decrypt_in_place_detached(&nonce.into(), ad, data, &tag.into())
                }
            };
            opened.map_err(|_| NotAuthentic)
        }
    }
}

pub(super) use backend::AeadKey;
