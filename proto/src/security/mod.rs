//! Suites, the two handshakes, secrets, sealing. Noise through `snow`; nothing home-made.
//!
//! A host meets [`Auth`] and [`ServerAuth`] (who we are, whom we trust), the keys and secrets in
//! them, and [`Suite`]. There is no way to configure a session without encryption.
//!
//! Two warnings about shared secrets. A secret that several clients know lets each of them play the
//! server towards the others; give every client its own, or pin the server's key. And whoever plays
//! the server *once* can guess a passphrase at leisure afterwards: prefer keys, or a long passphrase.

mod aead;
mod at_rest;
mod auth;
mod handshake;
mod identity;
mod noise;
mod resolver;
mod resume;
mod resume_secrets;
mod seal;
mod secrets;
mod suite;

pub use at_rest::AtRest;
pub(crate) use at_rest::{JournalSeal, SEAL};
pub use auth::{Auth, ServerAuth};
pub(crate) use handshake::{ClientHandshake, Established, HelloRefusal, ServerHandshake};
pub use identity::{PublicKey, SharedSecret, StaticKey};
pub(crate) use resume::{ClientResume, ResumeClear, ServerResume, parse_resume};
pub(crate) use resume_secrets::ResumeSecrets;
pub(crate) use seal::Keys;
pub(crate) use secrets::{ResumptionSecret, Verifier};
pub use suite::Suite;

pub(crate) use crate::wire::packet::VERSION;

#[cfg(test)]
pub(crate) use resume::TRIALS;

/// Shared by the module's unit tests.
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod vectors;
#[cfg(test)]
pub(crate) mod witness;
