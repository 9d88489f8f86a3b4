//! Who we are and whom we trust: keys, shared secrets, and the rules about them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use curve25519_dalek::MontgomeryPoint;
use zeroize::Zeroizing;

use super::suite::Suite;
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
/// server once, so no credential is sent on its word alone.
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

    /// From words, through Argon2id; costs some 50 ms and 19 MiB, once. The bytes count as they are:
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
        let (memory, passes, lanes) = ARGON2;
        let mut key = Zeroizing::new([0; 32]);
        Params::new(memory, passes, lanes, Some(32))
            .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
            .and_then(|argon2| {
                argon2.hash_password_into(
                    passphrase.as_bytes(),
                    &[SALT_LABEL, &hint].concat(),
                    key.as_mut(),
                )
            })
            .map_err(|_| ConfigError::Passphrase)?;
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
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret")
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
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

/// Client side: who we are, whom we trust. All that is configured must hold: with a secret *and*
/// pins the server must know the one and be one of the others.
///
/// ```
/// use unbroken_proto::security::{Auth, SharedSecret, StaticKey};
/// let server = StaticKey::from_bytes([1; 32]).public();
/// let secret = SharedSecret::from_key(b"laptop", [2; 32])?;
/// let auth = Auth::pinned(vec![server]).with_secret(secret).with_key(StaticKey::from_bytes([3; 32]));
/// # let _ = auth;
/// # Ok::<(), unbroken_proto::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Auth {
    secret: Option<SharedSecret>,
    pinned: Option<Vec<PublicKey>>,
    own: Option<StaticKey>,
}

impl Auth {
    /// Nobody proves anything: encrypted, but open to whoever sits in between.
    #[must_use]
    pub fn anonymous() -> Auth {
        Auth {
            secret: None,
            pinned: None,
            own: None,
        }
    }

    /// The server must know this secret. Suites without one are never offered then.
    #[must_use]
    pub fn secret(secret: SharedSecret) -> Auth {
        Auth::anonymous().with_secret(secret)
    }

    /// The server must hold one of these keys.
    #[must_use]
    pub fn pinned(servers: Vec<PublicKey>) -> Auth {
        Auth::anonymous().with_pinned(servers)
    }

    /// Adds our own static key. Without one a fresh key is shown in each handshake.
    #[must_use]
    pub fn with_key(self, own: StaticKey) -> Auth {
        Auth {
            own: Some(own),
            ..self
        }
    }

    /// Sets the shared secret, in place of an earlier one.
    #[must_use]
    pub fn with_secret(self, secret: SharedSecret) -> Auth {
        Auth {
            secret: Some(secret),
            ..self
        }
    }

    /// Adds keys of which the server must hold one.
    #[must_use]
    pub fn with_pinned(self, servers: Vec<PublicKey>) -> Auth {
        let pinned = self
            .pinned
            .unwrap_or_default()
            .into_iter()
            .chain(servers)
            .collect();
        Auth {
            pinned: Some(pinned),
            ..self
        }
    }

    /// Checks that a session can be opened with this and the `suites` configured.
    ///
    /// # Errors
    /// [`ConfigError::NoIdentity`] if the list of pinned keys is empty (ask for
    /// [`anonymous`](Auth::anonymous) if that is meant), [`ConfigError::NoSuite`] if no suite fits.
    pub fn validate(&self, suites: &[Suite]) -> Result<(), ConfigError> {
        if self.pinned.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoIdentity);
        }
        if self.suites(suites).is_empty() {
            Err(ConfigError::NoSuite)
        } else {
            Ok(())
        }
    }

    /// Those of the configured suites that may be offered, in their order, each once: with a secret
    /// only those that use it, so that no refusal can talk a client out of it.
    pub(crate) fn suites(&self, configured: &[Suite]) -> Vec<Suite> {
        filter(configured, |suite| self.allows(suite))
    }

    pub(super) fn allows(&self, suite: Suite) -> bool {
        suite.has_secret() == self.secret.is_some()
    }

    pub(super) fn shared_secret(&self) -> Option<&SharedSecret> {
        self.secret.as_ref()
    }

    pub(super) fn own(&self) -> Option<&StaticKey> {
        self.own.as_ref()
    }

    /// Whether the server's key is acceptable.
    pub(super) fn trusts(&self, server: PublicKey) -> bool {
        self.pinned
            .as_ref()
            .is_none_or(|pinned| pinned.contains(&server))
            || cfg!(planted = "no_pin_check")
    }

    /// Whether somebody who passed the handshake is known well enough for a credential: by a pinned
    /// key, or by a secret that cannot be guessed.
    pub(super) fn proves_server(&self) -> bool {
        self.pinned.is_some()
            || self
                .secret
                .as_ref()
                .is_some_and(|secret| !secret.from_passphrase)
            || cfg!(planted = "credential_always")
    }
}

/// Server side: who we are, whom we let in.
///
/// **Secrets are demanded of everybody.** Once a server has secrets, a client without one gets no
/// further than its first packet, whatever key it holds and in whatever order this was configured;
/// a server that means to let in some clients by secret and others by key alone says so with
/// [`admit_without_secret`](ServerAuth::admit_without_secret).
#[derive(Clone, Debug)]
pub struct ServerAuth {
    secrets: Option<BTreeMap<Bytes, SharedSecret>>,
    secretless_too: bool,
    own: Option<StaticKey>,
    clients: Option<BTreeSet<PublicKey>>,
}

impl ServerAuth {
    /// Lets in anybody; proves nothing.
    #[must_use]
    pub fn anonymous() -> ServerAuth {
        ServerAuth {
            secrets: None,
            secretless_too: false,
            own: None,
            clients: None,
        }
    }

    /// Clients must hold one of these secrets. Of two with the same hint the later one counts.
    #[must_use]
    pub fn secrets(secrets: Vec<SharedSecret>) -> ServerAuth {
        ServerAuth::anonymous().with_secrets(secrets)
    }

    /// The server's own key; who is let in is the host's decision on each
    /// [`Request`](crate::server::Request) (client key, credential), unless
    /// [`with_clients`](ServerAuth::with_clients).
    #[must_use]
    pub fn key(own: StaticKey) -> ServerAuth {
        ServerAuth::anonymous().with_key(own)
    }

    /// Adds secrets, and with them the demand that every client hold one.
    #[must_use]
    pub fn with_secrets(self, secrets: Vec<SharedSecret>) -> ServerAuth {
        let added = secrets
            .into_iter()
            .map(|secret| (secret.hint.clone(), secret));
        let secrets = self
            .secrets
            .unwrap_or_default()
            .into_iter()
            .chain(added)
            .collect();
        ServerAuth {
            secrets: Some(secrets),
            ..self
        }
    }

    /// Sets the server's own key. Without one a fresh key is shown in each handshake.
    #[must_use]
    pub fn with_key(self, own: StaticKey) -> ServerAuth {
        ServerAuth {
            own: Some(own),
            ..self
        }
    }

    /// Only these client keys are let in, with a secret or without.
    #[must_use]
    pub fn with_clients(self, clients: Vec<PublicKey>) -> ServerAuth {
        let clients = self
            .clients
            .unwrap_or_default()
            .into_iter()
            .chain(clients)
            .collect();
        ServerAuth {
            clients: Some(clients),
            ..self
        }
    }

    /// Lets in clients that hold no secret, too, although secrets are configured. The host then
    /// decides by client key or credential, or [`with_clients`](ServerAuth::with_clients) does.
    #[must_use]
    pub fn admit_without_secret(self) -> ServerAuth {
        ServerAuth {
            secretless_too: true,
            ..self
        }
    }

    /// Checks that somebody can be let in with this and the `suites` configured.
    ///
    /// # Errors
    /// [`ConfigError::NoIdentity`] if the list of secrets or of clients is empty,
    /// [`ConfigError::NoSuite`] if no suite fits.
    pub fn validate(&self, suites: &[Suite]) -> Result<(), ConfigError> {
        let no_secret = self.secrets.as_ref().is_some_and(BTreeMap::is_empty);
        if no_secret || self.clients.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(ConfigError::NoIdentity);
        }
        if self.suites(suites).is_empty() {
            Err(ConfigError::NoSuite)
        } else {
            Ok(())
        }
    }

    /// Those of the configured suites that are accepted, in their order, each once.
    pub(crate) fn suites(&self, configured: &[Suite]) -> Vec<Suite> {
        filter(configured, |suite| self.allows(suite))
    }

    pub(super) fn allows(&self, suite: Suite) -> bool {
        if suite.has_secret() {
            self.secrets.is_some()
        } else {
            self.secrets.is_none() || self.secretless_too
        }
    }

    pub(super) fn find_secret(&self, hint: &[u8]) -> Option<&SharedSecret> {
        self.secrets.as_ref()?.get(hint)
    }

    pub(super) fn own(&self) -> Option<&StaticKey> {
        self.own.as_ref()
    }

    /// Whether this client's key is acceptable.
    pub(super) fn trusts(&self, client: PublicKey) -> bool {
        self.clients
            .as_ref()
            .is_none_or(|clients| clients.contains(&client))
            || cfg!(planted = "no_client_check")
    }
}

fn filter(configured: &[Suite], allowed: impl Fn(Suite) -> bool) -> Vec<Suite> {
    let mut suites = Vec::new();
    for suite in configured {
        if allowed(*suite) && !suites.contains(suite) {
            suites.push(*suite);
        }
    }
    suites
}

#[cfg(test)]
mod tests;
