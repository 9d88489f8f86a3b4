//! Keys and secrets out of their files.

use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};
use unbroken_tokio::proto::security::{PublicKey, SharedSecret, StaticKey};
use zeroize::Zeroizing;

use super::files;
use crate::failure::Failure;

/// The folder of our configuration: `unbroken` in `$XDG_CONFIG_HOME` or `~/.config`.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let strategy = choose_base_strategy().map_err(Failure::unable(
        "this account has no home folder, so that the files have to be named (--key and others)",
    ))?;
    Ok(strategy.config_dir().join("unbroken"))
}

/// The file that was named, or the one of that name in the configuration folder.
pub(crate) fn named_or(file: Option<&Path>, name: &str) -> Result<PathBuf, Failure> {
    match file {
        Some(file) => Ok(file.to_owned()),
        None => Ok(folder()?.join(name)),
    }
}

/// A secret key out of its file.
pub(crate) fn load_key(path: &Path) -> Result<StaticKey, Failure> {
    let text = files::read_private(path).map_err(|failure| match path.exists() {
        true => failure,
        false => Failure::Unable(format!(
            "there is no key {}: `unbroken keygen` makes one",
            path.display()
        )),
    })?;
    let key = files::value(&text, "unbroken-key").and_then(bytes_of_hex);
    let bytes = key.ok_or_else(|| Failure::Unable(format!("{} is no secret key of unbroken", path.display())))?;
    Ok(StaticKey::from_bytes(*bytes))
}

/// A shared secret out of its file: one that `unbroken keygen` made, or else a passphrase, its first line.
pub(crate) fn load_secret(path: &Path) -> Result<SharedSecret, Failure> {
    const HINT: &[u8] = b"";
    let text = files::read_private(path)?;
    let secret = match files::value(&text, "unbroken-secret").and_then(bytes_of_hex) {
        Some(bytes) => SharedSecret::from_key(HINT, *bytes),
        None => SharedSecret::from_passphrase(HINT, text.lines().next().unwrap_or_default()),
    };
    secret.map_err(Failure::unable(path.display()))
}

/// A public key, as `unbroken id` prints it.
pub(crate) fn public_key(text: &str) -> Option<PublicKey> {
    bytes_of_hex(text).map(|bytes| PublicKey(*bytes))
}

/// 32 bytes in hex.
fn bytes_of_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
