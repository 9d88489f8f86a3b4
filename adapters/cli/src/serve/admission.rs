//! Who is let in.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use unbroken_tokio::proto::security::{PublicKey, ServerAuth};
use unbroken_tokio::proto::server::{Refusal, Request};

use crate::failure::Failure;
use crate::identity::keys::{load_key, load_secret, named_or};
use crate::identity::known_hosts::{AuthorizedKey, authorized_keys};
use crate::options::keys::ServerKeys;

/// What a client has to show, and what this server shows.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) auth: ServerAuth,
    pub(crate) key: PublicKey,
    /// A file of keys, and what it held when it was last read; `None`: whoever passed the handshake is let in.
    listed: Option<(PathBuf, RwLock<Vec<AuthorizedKey>>)>,
}

impl Admission {
    pub(crate) fn new(options: &ServerKeys) -> Result<Admission, Failure> {
        let key = load_key(&named_or(options.key.as_deref(), "key")?)?;
        let public = key.public();
        let mut auth = ServerAuth::key(key);
        if let Some(path) = &options.secret_file {
            auth = auth.with_secrets(vec![load_secret(path)?]);
        }
        let path = named_or(options.authorized_keys.as_deref(), "authorized_keys")?;
        let is_listed = !options.anybody && (options.authorized_keys.is_some() || path.exists());
        if !is_listed && !options.anybody && options.secret_file.is_none() {
            return Err(Failure::Unable(
                "nobody would be let in: --authorized-keys or --secret-file say who is, --anybody lets in everybody"
                    .into(),
            ));
        }
        let listed = match is_listed {
            true => Some(authorized_keys(&path).map(|keys| (path, RwLock::new(keys)))?),
            false => None,
        };
        Ok(Admission {
            auth,
            key: public,
            listed,
        })
    }

    /// Whether a client that has proven its key is let in.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Refusal> {
        match &self.listed {
            Some((_, keys))
                if !keys
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .iter()
                    .any(|listed| listed.key == request.client_key) =>
            {
                eprintln!("unbroken: refused a client with the key {}", request.client_key);
                Err(Refusal::Unauthorized)
            }
            _ => Ok(()),
        }
    }

    /// What the file of keys calls a key.
    pub(crate) fn name(&self, key: PublicKey) -> Option<String> {
        let (_, keys) = self.listed.as_ref()?;
        let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
        let listed = keys.iter().find(|listed| listed.key == key)?;
        Some(listed.name.clone()).filter(|name| !name.is_empty())
    }

    /// Reads the file of keys again. If it cannot be read, what it held before counts on.
    pub(crate) fn reload(&self) {
        let Some((path, keys)) = &self.listed else { return };
        match authorized_keys(path) {
            Ok(read) => {
                eprintln!("unbroken: {} has {} keys", path.display(), read.len());
                *keys.write().unwrap_or_else(PoisonError::into_inner) = read;
            }
            Err(failure) => failure.report(),
        }
    }
}
