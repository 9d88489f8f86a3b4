//! One connection's traffic keys: Noise transport messages, sealed and opened in place.
//!
//! Written out here and not left to `snow`, which builds the cipher's key schedule again for each
//! packet and copies each packet. A test holds the bytes against `snow`'s own.

use alloc::vec::Vec;

use bytes::BytesMut;
use zeroize::{Zeroize, Zeroizing};

use super::aead::{AeadKey, TAG};
use super::suite::Algorithm;
use crate::error::ConnectionError;

/// The nonce counter is at its end; nothing more may be sealed under this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyExhausted;

/// The packet did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forged;

impl From<KeyExhausted> for ConnectionError {
    fn from(_: KeyExhausted) -> Self {
        ConnectionError::KeyExhausted
    }
}

impl From<Forged> for ConnectionError {
    fn from(_: Forged) -> Self {
        ConnectionError::Forged
    }
}

/// What both directions have in common.
struct Direction {
    algorithm: Algorithm,
    key: AeadKey,
    /// The next packet's nonce. `u64::MAX` is never a packet's: Noise keeps it for REKEY.
    nonce: u64,
    /// Its value at the last REKEY.
    rekeyed_at: u64,
}

impl Direction {
    fn new(algorithm: Algorithm, key: &[u8; 32]) -> Direction {
        Direction {
            algorithm,
            key: AeadKey::new(algorithm, key),
            #[cfg(not(test))]
            nonce: 0,
            #[cfg(test)]
            nonce: super::witness::first_nonce(),
            rekeyed_at: 0,
        }
    }

    /// Noise's REKEY: the new key is what the old one makes of 32 zero bytes under the last nonce.
    fn rekey(&mut self) {
        let mut key = Zeroizing::new([0; 32]);
        self.key.seal(u64::MAX, &[], key.as_mut()).zeroize();
        self.key = AeadKey::new(self.algorithm, &key);
        self.rekeyed_at = self.nonce;
    }
}

/// Seals what we send.
pub(crate) struct Sealer(Direction);

impl Sealer {
    pub(super) fn new(algorithm: Algorithm, key: &[u8; 32]) -> Sealer {
        Sealer(Direction::new(algorithm, key))
    }

    /// Seals `buf[start..]` in place and appends the tag of 16 bytes. A `start` beyond the end
    /// seals nothing but the tag.
    ///
    /// # Errors
    /// After 2^64 - 1 packets; `buf` is untouched then.
    pub(crate) fn seal(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), KeyExhausted> {
        let Some(next) = self.0.nonce.checked_add(1) else {
            return Err(KeyExhausted);
        };
        let plaintext = buf.get_mut(start..).unwrap_or_default();
        #[cfg(test)]
        let copy = super::witness::copy(plaintext);
        let tag = self.0.key.seal(self.0.nonce, &[], plaintext);
        buf.extend_from_slice(&tag);
        #[cfg(test)]
        super::witness::sealed(self.0.nonce, copy, buf.get(start..).unwrap_or_default());
        self.0.nonce = next;
        Ok(())
    }

    /// Goes on with the next key; the nonce goes on too.
    pub(crate) fn rekey(&mut self) {
        self.0.rekey();
    }

    /// Packets sealed under the present key.
    pub(crate) fn since_rekey(&self) -> u64 {
        self.0.nonce.saturating_sub(self.0.rekeyed_at)
    }
}

/// Opens what the peer sends, in the order it was sealed.
pub(crate) struct Opener(Direction);

impl Opener {
    pub(super) fn new(algorithm: Algorithm, key: &[u8; 32]) -> Opener {
        Opener(Direction::new(algorithm, key))
    }

    /// Opens `sealed` in place and cuts the tag off.
    ///
    /// # Errors
    /// The packet is not the peer's next one, or the nonce is at its end. The opener is as before;
    /// the content of `sealed` is worthless.
    pub(crate) fn open(&mut self, sealed: &mut BytesMut) -> Result<(), Forged> {
        let next = self.0.nonce.checked_add(1).ok_or(Forged)?;
        let (data, tag) = sealed.split_last_chunk_mut::<TAG>().ok_or(Forged)?;
        let length = data.len();
        self.0.key.open(self.0.nonce, &[], data, *tag).map_err(|_| Forged)?;
        sealed.truncate(length);
        self.0.nonce = next;
        Ok(())
    }

    /// What is in the next packet, which stays the next one.
    #[cfg(test)]
    pub(crate) fn peek(&self, mut sealed: BytesMut) -> Option<BytesMut> {
        let (data, tag) = sealed.split_last_chunk_mut::<TAG>()?;
        let length = data.len();
        self.0.key.open(self.0.nonce, &[], data, *tag).ok()?;
        sealed.truncate(length);
        Some(sealed)
    }

    /// Goes on with the next key; the nonce goes on too.
    pub(crate) fn rekey(&mut self) {
        self.0.rekey();
    }

    /// Packets opened under the present key.
    pub(crate) fn since_rekey(&self) -> u64 {
        self.0.nonce.saturating_sub(self.0.rekeyed_at)
    }
}

/// Both directions of one connection.
pub(crate) struct Keys {
    /// Ours.
    pub(crate) sealer: Sealer,
    /// The peer's.
    pub(crate) opener: Opener,
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[cfg(test)]
mod tests;
