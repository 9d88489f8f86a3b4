//! Keys and secrets, which live in files.

pub(crate) mod files;
pub(crate) mod known_hosts;
pub(crate) mod trust;

use std::path::{Path, PathBuf};

use unbroken_tokio::proto::security::{PublicKey, SharedSecret, StaticKey};

use crate::failure::Failure;
use crate::options::keys::{Id, Keygen};

/// The folder of our configuration.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let folders = directories::ProjectDirs::from("", "", "unbroken");
    let missing = || Failure::Unable("this account has no home folder: name the files, --key for instance".into());
    Ok(folders.ok_or_else(missing)?.config_dir().to_owned())
}

/// The file that was named, or the one of that name in the configuration folder.
pub(crate) fn named_or(file: Option<&Path>, name: &str) -> Result<PathBuf, Failure> {
    match file {
        Some(file) => Ok(file.to_owned()),
        None => Ok(folder()?.join(name)),
    }
}

/// `unbroken keygen`.
pub(crate) fn keygen(options: &Keygen) -> Result<(), Failure> {
    let mut random = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(Failure::unable("there is no randomness"))?;
    if let Some(path) = &options.secret {
        files::write_secret(path, "unbroken-secret", &random)?;
        eprintln!("the secret is in {}; both ends need it", path.display());
        return Ok(());
    }
    let path = named_or(options.key.as_deref(), "key")?;
    files::write_secret(&path, "unbroken-key", &random)?;
    eprintln!("the secret key is in {}; this is its public half:", path.display());
    println!("{}", StaticKey::from_bytes(*random).public());
    Ok(())
}

/// `unbroken id`.
pub(crate) fn id(options: &Id) -> Result<(), Failure> {
    let path = named_or(options.key.as_deref(), "key")?;
    println!("{}", load_key(&path)?.public());
    Ok(())
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

/// A shared secret out of its file: one that [`keygen`] made, or else a passphrase, its first line.
pub(crate) fn load_secret(path: &Path) -> Result<SharedSecret, Failure> {
    const HINT: &[u8] = b"";
    let text = files::read_private(path)?;
    let secret = match files::value(&text, "unbroken-secret").and_then(bytes_of_hex) {
        Some(bytes) => SharedSecret::from_key(HINT, *bytes),
        None => SharedSecret::from_passphrase(HINT, text.lines().next().unwrap_or_default()),
    };
    secret.map_err(Failure::unable(path.display()))
}

/// A public key, as [`id`] prints it.
pub(crate) fn public_key(text: &str) -> Option<PublicKey> {
    bytes_of_hex(text).map(|bytes| PublicKey(*bytes))
}

/// 32 bytes in hex.
fn bytes_of_hex(text: &str) -> Option<zeroize::Zeroizing<[u8; 32]>> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
