//! How a durable session is protected where it is kept: under a storage key that the host gives, or in the clear.

use core::fmt;

use alloc::vec::Vec;

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::resolver::hash;
use super::secrets::Kdf;
use super::suite::Algorithm;

/// Length of what shows that a record is whole.
pub(crate) const SEAL: usize = 16;

const JOURNAL_INFO: &[u8] = b"unbroken v1 journal";

/// How what is kept of durable sessions is protected.
///
/// A journal holds the session's resumption secret and what its application sent: who reads it can take the session over.
/// So it is sealed (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha) under a key that is kept elsewhere, unless the host asks for
/// the opposite by name.
///
/// ```
/// use unbroken_proto::security::AtRest;
/// let kept = AtRest::sealed([7; 32]);
/// assert_eq!(format!("{kept:?}"), "AtRest(sealed)");
/// ```
#[derive(Clone)]
pub struct AtRest(Option<Zeroizing<[u8; 32]>>);

impl AtRest {
    /// Sealed under this key, of 32 random bytes. Sessions may share it: each journal has a key of its own derived from it.
    #[must_use]
    pub fn sealed(key: [u8; 32]) -> AtRest {
        AtRest(Some(Zeroizing::new(key)))
    }

    /// For everybody to read who can read where it is kept. What is damaged is noticed, what is forged is not.
    #[must_use]
    pub fn in_the_clear() -> AtRest {
        AtRest(None)
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.0.is_some()
    }

    /// For the journal of that name (HKDF, RFC 5869, with BLAKE2s).
    pub(crate) fn journal(&self, name: &[u8; 16]) -> JournalSeal {
        JournalSeal(self.0.as_ref().map(|key| {
            let mut salt = [0; 32];
            salt[..16].copy_from_slice(name);
            Kdf::new(Algorithm::ChaChaPoly).hkdf(&salt, key.as_ref(), JOURNAL_INFO)
        }))
    }
}

impl fmt::Debug for AtRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_sealed() {
            "AtRest(sealed)"
        } else {
            "AtRest(clear)"
        })
    }
}

impl PartialEq for AtRest {
    fn eq(&self, other: &AtRest) -> bool {
        match (&self.0, &other.0) {
            (Some(key), Some(other)) => key.as_ref().ct_eq(other.as_ref()).into(),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for AtRest {}

/// Seals and opens the records of one journal.
pub(crate) struct JournalSeal(Option<Zeroizing<[u8; 32]>>);

impl JournalSeal {
    /// Seals what lies behind `from`, bound to what lies before it, and appends the proof. No nonce may come twice.
    pub(crate) fn seal(&self, nonce: &[u8; 24], buf: &mut Vec<u8>, from: usize) {
        let from = from.min(buf.len());
        let (header, body) = buf.split_at_mut(from);
        let tag = match &self.0 {
            None => checksum(header, body),
            Some(key) => XChaCha20Poly1305::new((&**key).into())
                .encrypt_in_place_detached(XNonce::from_slice(nonce), header, body)
                .expect("because a record is far below the 2^38 bytes that the cipher takes")
                .into(),
        };
        buf.extend_from_slice(&tag);
    }

    /// Opens `body` in place; `None` if it, or `header`, is not what was sealed. Its content is worthless then.
    pub(crate) fn open(&self, nonce: &[u8; 24], header: &[u8], body: &mut [u8], tag: [u8; SEAL]) -> Option<()> {
        match &self.0 {
            None => (checksum(header, body) == tag).then_some(()),
            Some(key) => XChaCha20Poly1305::new((&**key).into())
                .decrypt_in_place_detached(XNonce::from_slice(nonce), header, body, Tag::from_slice(&tag))
                .ok(),
        }
    }
}

/// The first half of BLAKE2s.
fn checksum(header: &[u8], body: &[u8]) -> [u8; SEAL] {
    let mut hash = hash(Algorithm::ChaChaPoly);
    hash.reset();
    hash.input(header);
    hash.input(body);
    let mut digest = [0; 32];
    hash.result(&mut digest);
    let mut half = [0; SEAL];
    half.copy_from_slice(&digest[..SEAL]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        for at_rest in [AtRest::sealed([7; 32]), AtRest::in_the_clear()] {
            let seal = at_rest.journal(&[1; 16]);
            let mut record = b"header body".to_vec();
            seal.seal(&[9; 24], &mut record, 7);
            let opens = |seal: &JournalSeal, record: &[u8]| {
                let (rest, tag) = record.split_at(record.len() - SEAL);
                let (header, body) = rest.split_at(7);
                let mut body = body.to_vec();
                seal.open(
                    &[9; 24],
                    header,
                    &mut body,
                    tag.try_into().expect("because it was split there"),
                )?;
                Some(body)
            };
            assert_eq!(opens(&seal, &record).as_deref(), Some(&b"body"[..]));
            for at in 0..record.len() {
                let mut damaged = record.clone();
                damaged[at] ^= 1;
                assert_eq!(opens(&seal, &damaged), None, "byte {at}");
            }
            let other = at_rest.journal(&[2; 16]);
            assert_eq!(opens(&other, &record).is_some(), !at_rest.is_sealed());
        }
    }

    #[test]
    fn what_is_sealed_cannot_be_read() {
        let mut record = b"the secret".to_vec();
        AtRest::sealed([7; 32]).journal(&[1; 16]).seal(&[0; 24], &mut record, 0);
        assert!(!record.starts_with(b"the secret"));
    }
}
