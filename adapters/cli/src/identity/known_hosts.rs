//! Which key which server has, as it was seen or written down.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use unbroken_tokio::proto::security::PublicKey;

use super::files::private_folder;
use super::keys::public_key;
use crate::failure::Failure;

/// A file of lines `HOST:PORT KEY`; what follows a `#` is a comment.
#[derive(Debug)]
pub(crate) struct KnownHosts {
    path: PathBuf,
}

impl KnownHosts {
    pub(crate) fn new(path: PathBuf) -> KnownHosts {
        KnownHosts { path }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The keys of that server; none if it is not known, or there is no such file.
    ///
    /// # Errors
    /// The file cannot be read, or has a line that cannot be understood.
    pub(crate) fn keys(&self, server: &str) -> Result<Vec<PublicKey>, Failure> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("read", error)),
        };
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let key = words.next().and_then(public_key).filter(|_| words.next().is_none());
            let bad = || Failure::Unable(format!("{}:{number}: expected HOST:PORT KEY", self.path.display()));
            let key = key.ok_or_else(bad)?;
            if name == server {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Adds a line.
    pub(crate) fn remember(&self, server: &str, key: PublicKey) -> Result<(), Failure> {
        if let Some(folder) = self.path.parent() {
            private_folder(folder).map_err(|error| self.failed("write", error))?;
        }
        let file = OpenOptions::new().append(true).create(true).open(&self.path);
        file.and_then(|mut file| file.write_all(format!("{server} {key}\n").as_bytes()))
            .map_err(|error| self.failed("write", error))
    }

    fn failed(&self, what: &str, error: io::Error) -> Failure {
        Failure::Unable(format!("cannot {what} {}: {error}", self.path.display()))
    }
}

/// A key that is let in.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizedKey {
    pub(crate) key: PublicKey,
    /// What stands behind it in its line; may be empty.
    pub(crate) name: String,
}

/// The keys in a file of lines `KEY [NAME]`.
///
/// # Errors
/// It cannot be read, or has a line that cannot be understood.
pub(crate) fn authorized_keys(path: &std::path::Path) -> Result<Vec<AuthorizedKey>, Failure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(Failure::unable(format_args!("cannot read {}", path.display())))?;
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else {
            continue;
        };
        let bad = || {
            Failure::Unable(format!(
                "{}:{number}: expected a key, as `unbroken id` prints it",
                path.display()
            ))
        };
        keys.push(AuthorizedKey {
            key: public_key(word).ok_or_else(bad)?,
            name: line.trim_start().split_at(word.len()).1.trim().to_owned(),
        });
    }
    Ok(keys)
}
