//! Values that the configuration writes as the command line does.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use unbroken_tokio::Address;

use crate::failure::Failure;
use crate::identity::keys::public_key;
use crate::options::demo::duration;

/// A string that stands for a value.
#[derive(Clone, Debug)]
pub(super) struct Text<T>(T);

impl<T> Text<T> {
    pub(super) fn into_inner(self) -> T {
        self.0
    }
}

impl<T> AsRef<T> for Text<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let said = |error| D::Error::custom(format_args!("{text}: {error}"));
        text.parse().map(Text).map_err(said)
    }
}

/// A server's address.
#[derive(Clone, Debug)]
pub(super) struct Url(pub(super) String);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let address = Address::parse(text).map_err(|error| error.to_string());
        address.map(|_| Url(text.to_owned()))
    }
}

/// A server's key, as `unbroken id` prints it.
#[derive(Clone, Debug)]
pub(super) struct Key(pub(super) String);

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Key, &'static str> {
        let expected = "expected 64 hex digits, as `unbroken id` prints them";
        public_key(text).map(|_| Key(text.to_owned())).ok_or(expected)
    }
}

/// `30s`, `5m`.
#[derive(Clone, Debug)]
pub(super) struct Wait(pub(super) Duration);

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Wait, String> {
        duration(text).map(Wait)
    }
}

/// A path, which may begin with `~/`, or else in the folder of the configuration.
#[derive(Clone, Debug)]
pub(super) struct FilePath(String);

impl FromStr for FilePath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<FilePath, &'static str> {
        match text.strip_prefix('~') {
            Some(rest) if !(rest.is_empty() || rest.starts_with('/')) => {
                Err("only ~/ is understood, the home folder of whoever runs the command")
            }
            None if text.is_empty() => Err("expected a path"),
            _ => Ok(FilePath(text.to_owned())),
        }
    }
}

impl FilePath {
    /// The same, from wherever the command runs.
    ///
    /// # Errors
    /// It begins in the home folder, and there is none.
    pub(super) fn within(&self, folder: &Path) -> Result<PathBuf, Failure> {
        match self.0.strip_prefix('~') {
            Some(rest) => {
                let home = etcetera::home_dir().map_err(Failure::unable(&self.0))?;
                Ok(home.join(rest.trim_start_matches('/')))
            }
            None => Ok(folder.join(&self.0)),
        }
    }
}
