//! Which primitives a session uses, and what its byte on the wire is.

use alloc::vec;
use alloc::vec::Vec;

/// A cipher suite, as its byte on the wire. All use X25519.
///
/// A client with a shared secret only ever offers suites with one, and a server that has secrets
/// lets nobody in without (see [`ServerAuth`](super::ServerAuth)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// 1: AES-256-GCM and SHA-256, with a shared secret.
    Aes256GcmPsk,
    /// 2: ChaCha20-Poly1305 and BLAKE2s, with a shared secret.
    ChaChaPolyPsk,
    /// 3: AES-256-GCM and SHA-256.
    Aes256Gcm,
    /// 4: ChaCha20-Poly1305 and BLAKE2s.
    ChaChaPoly,
}

/// The AEAD of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Aes256Gcm,
    ChaChaPoly,
}

impl Suite {
    /// All, best first for this machine: AES where the processor is known to have instructions for
    /// it (found out at run time, under feature `std` only), ChaCha20-Poly1305 elsewhere.
    #[must_use]
    pub fn preferred() -> Vec<Suite> {
        if aes_is_fast() {
            Suite::all()
        } else {
            vec![
                Suite::ChaChaPolyPsk,
                Suite::Aes256GcmPsk,
                Suite::ChaChaPoly,
                Suite::Aes256Gcm,
            ]
        }
    }

    /// All, in the order of their bytes.
    #[must_use]
    pub fn all() -> Vec<Suite> {
        vec![
            Suite::Aes256GcmPsk,
            Suite::ChaChaPolyPsk,
            Suite::Aes256Gcm,
            Suite::ChaChaPoly,
        ]
    }

    /// Its byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Suite::Aes256GcmPsk => 1,
            Suite::ChaChaPolyPsk => 2,
            Suite::Aes256Gcm => 3,
            Suite::ChaChaPoly => 4,
        }
    }

    /// The suite of a byte from the wire, if this version knows it.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Suite> {
        match byte {
            1 => Some(Suite::Aes256GcmPsk),
            2 => Some(Suite::ChaChaPolyPsk),
            3 => Some(Suite::Aes256Gcm),
            4 => Some(Suite::ChaChaPoly),
            _ => None,
        }
    }

    /// Whether it needs a shared secret.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Suite::Aes256GcmPsk | Suite::ChaChaPolyPsk)
    }

    pub(super) const fn algorithm(self) -> Algorithm {
        match self {
            Suite::Aes256GcmPsk | Suite::Aes256Gcm => Algorithm::Aes256Gcm,
            Suite::ChaChaPolyPsk | Suite::ChaChaPoly => Algorithm::ChaChaPoly,
        }
    }

    /// The Noise protocol of a new session.
    pub(super) const fn handshake_name(self) -> &'static str {
        match self {
            Suite::Aes256GcmPsk => "Noise_XXpsk3_25519_AESGCM_SHA256",
            Suite::ChaChaPolyPsk => "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s",
            Suite::Aes256Gcm => "Noise_XX_25519_AESGCM_SHA256",
            Suite::ChaChaPoly => "Noise_XX_25519_ChaChaPoly_BLAKE2s",
        }
    }

    /// The Noise protocol of a resumed one.
    pub(super) const fn resume_name(self) -> &'static str {
        match self.algorithm() {
            Algorithm::Aes256Gcm => "Noise_NNpsk0_25519_AESGCM_SHA256",
            Algorithm::ChaChaPoly => "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s",
        }
    }
}

#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "x86")))]
fn aes_is_fast() -> bool {
    extern crate std;
    std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(all(feature = "std", target_arch = "aarch64"))]
fn aes_is_fast() -> bool {
    extern crate std;
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(all(
    feature = "std",
    any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")
)))]
const fn aes_is_fast() -> bool {
    false
}

#[cfg(test)]
mod tests;
