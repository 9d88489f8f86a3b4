//! Secrets that outlive a connection: what a session is resumed with, and what vouches for it later.

use snow::types::Hash;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::resolver::hash;
use super::suite::{Algorithm, Suite};

const RESUMPTION_INFO: &[u8] = b"unbroken v1 resumption";
const VERIFIER_INFO: &[u8] = b"unbroken v1 verifier";
const PREDECESSOR_LABEL: &[u8] = b"unbroken v1 predecessor";

/// HMAC and HKDF (RFC 2104 and 5869) with a suite's hash, whose digests are 32 bytes.
pub(super) struct Kdf(alloc::boxed::Box<dyn Hash>);

impl Kdf {
    pub(super) fn new(algorithm: Algorithm) -> Kdf {
        Kdf(hash(algorithm))
    }

    fn hmac(&mut self, key: &[u8; 32], data: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        self.0.hmac(key, data, out.as_mut());
        out
    }

    /// Extract and expand to 32 bytes, which is one block.
    pub(super) fn hkdf(&mut self, salt: &[u8; 32], input: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
        let extracted = self.hmac(salt, input);
        self.hmac(&extracted, &[info, &[1]].concat())
    }
}

/// Opens the session's next RESUME; wiped when dropped. Each confirmed attach brings a new one.
#[derive(Clone)]
pub(crate) struct ResumptionSecret {
    suite: Suite,
    key: Zeroizing<[u8; 32]>,
}

impl ResumptionSecret {
    /// From the handshake hash after the last message and the two split keys, the initiator's first.
    pub(super) fn derive(suite: Suite, handshake_hash: &[u8; 32], split: &[u8; 64]) -> ResumptionSecret {
        let key = Kdf::new(suite.algorithm()).hkdf(handshake_hash, split, RESUMPTION_INFO);
        ResumptionSecret { suite, key }
    }

    /// What the server keeps in a tombstone: it recognises the client, and opens nothing.
    pub(crate) fn verifier(&self) -> Verifier {
        let key = Kdf::new(self.suite.algorithm()).hkdf(&[0; 32], self.key.as_ref(), VERIFIER_INFO);
        Verifier { suite: self.suite, key }
    }

    /// One that was taken apart.
    pub(crate) fn new(suite: Suite, key: Zeroizing<[u8; 32]>) -> ResumptionSecret {
        ResumptionSecret { suite, key }
    }

    #[cfg(test)]
    pub(super) fn for_test(suite: Suite, key: [u8; 32]) -> ResumptionSecret {
        ResumptionSecret::new(suite, Zeroizing::new(key))
    }

    /// Whether it is the same, in constant time.
    pub(super) fn is(&self, other: &ResumptionSecret) -> bool {
        self.suite == other.suite && self.key.as_ref().ct_eq(other.key.as_ref()).into()
    }

    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

impl core::fmt::Debug for ResumptionSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResumptionSecret(..)")
    }
}

/// Proves, inside a new handshake, that its client once held the session's resumption secret.
#[derive(Clone)]
pub(crate) struct Verifier {
    suite: Suite,
    key: Zeroizing<[u8; 32]>,
}

impl Verifier {
    /// One that was taken apart.
    pub(crate) fn new(suite: Suite, key: Zeroizing<[u8; 32]>) -> Verifier {
        Verifier { suite, key }
    }

    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The predecessor's MAC for the new handshake with this hash after message 2. The hash function
    /// is that of the predecessor's suite.
    pub(crate) fn mac(&self, handshake_hash: &[u8; 32]) -> [u8; 32] {
        let message = [PREDECESSOR_LABEL, handshake_hash].concat();
        *Kdf::new(self.suite.algorithm()).hmac(&self.key, &message)
    }

    /// Whether `mac` is the one above, in constant time.
    pub(crate) fn check(&self, handshake_hash: &[u8; 32], mac: &[u8; 32]) -> bool {
        self.mac(handshake_hash).ct_eq(mac).into()
    }
}

impl core::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Verifier(..)")
    }
}

#[cfg(test)]
mod tests;
