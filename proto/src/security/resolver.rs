//! Where `snow` gets its primitives: our generator, X25519 that refuses a zero point, our AEADs.
//!
//! `snow`'s own default would draw from the operating system, which the machine must not.

use alloc::boxed::Box;
use core::cell::RefCell;

use curve25519_dalek::MontgomeryPoint;
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{AeadKey, TAG};
use super::identity::StaticKey;
use super::suite::Algorithm;
use crate::rng::Rng;

/// The primitives of one handshake.
pub(super) struct Resolver {
    rng: RefCell<Rng>,
    /// The static key this handshake will set; its public half is known already.
    known: Option<StaticKey>,
}

impl Resolver {
    pub(super) fn new(rng: Rng, known: Option<StaticKey>) -> Resolver {
        Resolver {
            rng: RefCell::new(rng),
            known,
        }
    }
}

impl CryptoResolver for Resolver {
    // A fresh seed each time: were it the same, a static key generated through `snow` and the
    // ephemeral key of the handshake would coincide.
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Draws(self.rng.try_borrow_mut().ok()?.fork())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519 {
                pair: None,
                known: self.known.clone(),
            })),
            DHChoice::Curve448 => None,
        }
    }

    // The RustCrypto hashes look for the processor's SHA instructions themselves; another backend
    // for a few hundred bytes a handshake would gain nothing.
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        let algorithm = match choice {
            CipherChoice::AESGCM => Algorithm::Aes256Gcm,
            CipherChoice::ChaChaPoly => Algorithm::ChaChaPoly,
        };
        Some(Box::new(HandshakeCipher {
            algorithm,
            key: Zeroizing::new([0; 32]),
        }))
    }
}

/// The hash that goes with an AEAD.
pub(super) fn hash(algorithm: Algorithm) -> Box<dyn Hash> {
    let choice = match algorithm {
        Algorithm::Aes256Gcm => HashChoice::SHA256,
        Algorithm::ChaChaPoly => HashChoice::Blake2s,
    };
    DefaultResolver
        .resolve_hash(&choice)
        .expect("because snow is built with SHA-256 and BLAKE2s")
}

struct Draws(Rng);

impl Random for Draws {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.fill(dest);
        Ok(())
    }
}

/// A key pair, once set or generated.
struct X25519 {
    pair: Option<StaticKey>,
    known: Option<StaticKey>,
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        let Ok(secret) = <[u8; 32]>::try_from(privkey) else {
            return; // left unset: `dh` will refuse
        };
        let secret = Zeroizing::new(secret);
        let known = self
            .known
            .take()
            .filter(|known| bool::from(known.secret().ct_eq(secret.as_ref())));
        self.pair = Some(known.unwrap_or_else(|| StaticKey::from_bytes(*secret)));
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(secret.as_mut())?;
        #[cfg(test)]
        super::witness::drew(&secret);
        self.pair = Some(StaticKey::from_bytes(*secret));
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.pair.as_ref().map_or(&[0; 32], |pair| pair.public_bytes())
    }

    fn privkey(&self) -> &[u8] {
        self.pair.as_ref().map_or(&[0; 32], |pair| pair.secret())
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let pair = self.pair.as_ref().ok_or(Error::Dh)?;
        let theirs = pubkey.first_chunk::<32>().ok_or(Error::Dh)?;
        let shared = Zeroizing::new(MontgomeryPoint(*theirs).mul_clamped(*pair.secret()).to_bytes());
        // A point of small order makes the outcome independent of our key.
        if bool::from(shared.ct_eq(&[0; 32])) {
            return Err(Error::Dh);
        }
        out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(shared.as_ref());
        Ok(())
    }
}

/// Holds the bare key: in a handshake each key seals one or two short texts, so there is no
/// schedule worth keeping, and a handshake that waits stays small.
struct HandshakeCipher {
    algorithm: Algorithm,
    key: Zeroizing<[u8; 32]>,
}

impl Cipher for HandshakeCipher {
    fn name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Aes256Gcm => "AESGCM",
            Algorithm::ChaChaPoly => "ChaChaPoly",
        }
    }

    fn set(&mut self, key: &[u8; 32]) {
        *self.key = *key;
    }

    // Lengths are ours, never the peer's: `noise` makes room for every tag.
    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (text, rest) = out.split_at_mut(plaintext.len());
        text.copy_from_slice(plaintext);
        let tag = AeadKey::new(self.algorithm, &self.key).seal(nonce, authtext, text);
        rest[..TAG].copy_from_slice(&tag);
        plaintext.len() + TAG
    }

    fn decrypt(&self, nonce: u64, authtext: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let (text, tag) = ciphertext.split_last_chunk::<TAG>().ok_or(Error::Decrypt)?;
        let out = out.get_mut(..text.len()).ok_or(Error::Decrypt)?;
        out.copy_from_slice(text);
        AeadKey::new(self.algorithm, &self.key)
            .open(nonce, authtext, out, *tag)
            .map_err(|_| Error::Decrypt)?;
        Ok(text.len())
    }
}
