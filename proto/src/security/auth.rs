//! Whom we trust, and what that allows: the rules about identities, suites and credentials.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::identity::{PublicKey, SharedSecret, StaticKey};
use super::suite::Suite;
use crate::error::ConfigError;

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
        Auth { own: Some(own), ..self }
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
        let pinned = self.pinned.unwrap_or_default().into_iter().chain(servers).collect();
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
        self.pinned.as_ref().is_none_or(|pinned| pinned.contains(&server))
    }

    /// Whether somebody who passed the handshake is known well enough for a credential: by a pinned
    /// key, or by a secret that cannot be guessed.
    pub(super) fn proves_server(&self) -> bool {
        self.pinned.is_some() || self.secret.as_ref().is_some_and(|secret| !secret.is_guessable())
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
    secrets: Option<Arc<BTreeMap<Bytes, SharedSecret>>>,
    secretless_too: bool,
    own: Option<StaticKey>,
    clients: Option<Arc<BTreeSet<PublicKey>>>,
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
        let added = secrets.into_iter().map(|secret| (secret.hint().clone(), secret));
        let mut known = self.secrets.unwrap_or_default();
        Arc::make_mut(&mut known).extend(added);
        ServerAuth {
            secrets: Some(known),
            ..self
        }
    }

    /// Sets the server's own key. Without one a fresh key is shown in each handshake.
    #[must_use]
    pub fn with_key(self, own: StaticKey) -> ServerAuth {
        ServerAuth { own: Some(own), ..self }
    }

    /// Only these client keys are let in, with a secret or without.
    #[must_use]
    pub fn with_clients(self, clients: Vec<PublicKey>) -> ServerAuth {
        let mut known = self.clients.unwrap_or_default();
        Arc::make_mut(&mut known).extend(clients);
        ServerAuth {
            clients: Some(known),
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
        let no_secret = self.secrets.as_ref().is_some_and(|secrets| secrets.is_empty());
        if no_secret || self.clients.as_ref().is_some_and(|clients| clients.is_empty()) {
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
        self.clients.as_ref().is_none_or(|clients| clients.contains(&client))
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
