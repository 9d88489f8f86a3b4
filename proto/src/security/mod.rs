//! Suites, the two handshakes, secrets, sealing. Noise through `snow`; nothing home-made.
//!
//! Interfaces this room offers to `session` and `server` (crate-private unless marked pub):
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use crate::error::{ConfigError, ConnectionError};
use crate::id::SessionId;

/// A cipher suite, as its byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite { Aes256GcmPsk, ChaChaPolyPsk, Aes256Gcm, ChaChaPoly }
impl Suite {
    /// All, best first for this machine.
    pub fn preferred() -> Vec<Suite> { todo!() }
    pub fn all() -> Vec<Suite> { todo!() }
    pub fn byte(self) -> u8 { todo!() }
    pub fn from_byte(byte: u8) -> Option<Suite> { todo!() }
    pub fn has_secret(self) -> bool { todo!() }
}
/// X25519 static public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);
/// X25519 static secret key; wiped on drop; Debug prints nothing of it.
#[derive(Clone, Debug)] pub struct StaticKey { _p: () }
impl StaticKey {
    pub fn from_bytes(secret: [u8; 32]) -> StaticKey { todo!() }
    pub fn public(&self) -> PublicKey { todo!() }
}
/// A secret both ends hold, with the hint that names it in the clear (0 to 64 bytes).
#[derive(Clone, Debug)] pub struct SharedSecret { _p: () }
impl SharedSecret {
    pub fn from_key(hint: &[u8], key: [u8; 32]) -> Result<SharedSecret, ConfigError> { todo!() }
    /// Argon2id; costs some 50 ms and 19 MiB, once.
    pub fn from_passphrase(hint: &[u8], passphrase: &str) -> Result<SharedSecret, ConfigError> { todo!() }
}
/// Client side: who we are, whom we trust.
#[derive(Clone, Debug)] pub struct Auth { _p: () }
impl Auth {
    /// Nobody proves anything: encrypted, but open to whoever sits in between.
    pub fn anonymous() -> Auth { todo!() }
    pub fn secret(secret: SharedSecret) -> Auth { todo!() }
    /// The server must hold one of these keys.
    pub fn pinned(servers: Vec<PublicKey>) -> Auth { todo!() }
    /// Adds our own static key (else a fresh one per session).
    pub fn with_key(self, own: StaticKey) -> Auth { todo!() }
    /// Adds a shared secret / pins.
    pub fn with_secret(self, secret: SharedSecret) -> Auth { todo!() }
    pub fn with_pinned(self, servers: Vec<PublicKey>) -> Auth { todo!() }
}
/// Server side.
#[derive(Clone, Debug)] pub struct ServerAuth { _p: () }
impl ServerAuth {
    /// Lets in anybody; proves nothing.
    pub fn anonymous() -> ServerAuth { todo!() }
    /// Clients must hold one of these secrets.
    pub fn secrets(secrets: Vec<SharedSecret>) -> ServerAuth { todo!() }
    /// The server's own key; who is let in is the host's decision on each `Request` (client key, credential), unless `with_clients`.
    pub fn key(own: StaticKey) -> ServerAuth { todo!() }
    pub fn with_secrets(self, secrets: Vec<SharedSecret>) -> ServerAuth { todo!() }
    pub fn with_key(self, own: StaticKey) -> ServerAuth { todo!() }
    /// Only these client keys are let in.
    pub fn with_clients(self, clients: Vec<PublicKey>) -> ServerAuth { todo!() }
}
