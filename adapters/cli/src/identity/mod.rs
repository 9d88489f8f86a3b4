//! Keys and secrets, which live in files.
//!
//! | file | owns |
//! |---|---|
//! | `files` | files that only their owner may read |
//! | `keys` | our key, a secret, and where they are |
//! | `known_hosts` | lists of public keys |
//! | `trust` | whether a server is the one that is meant |

pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod known_hosts;
pub(crate) mod trust;

use std::path::Path;

use unbroken_tokio::proto::security::{PublicKey, StaticKey};
use zeroize::Zeroizing;

use self::keys::{load_key, named_or};
use crate::failure::Failure;
use crate::options::keys::{Id, Keygen};
use crate::output::print;

/// `unbroken keygen`.
pub(crate) fn keygen(options: &Keygen) -> Result<(), Failure> {
    if let Some(path) = &options.secret {
        files::write_secret(path, "unbroken-secret", &*random()?)?;
        eprintln!("the secret is in {}; both ends need it", path.display());
        return Ok(());
    }
    // Not by clap, for which a shared secret could not be made then.
    let named = options
        .key
        .clone()
        .or_else(|| std::env::var_os("UNBROKEN_KEY").map(Into::into));
    let path = named_or(named.as_deref(), "key")?;
    let public = new_key(&path)?;
    eprintln!("the secret key is in {}; this is its public half:", path.display());
    print(format!("{public}\n").as_bytes()).map(drop)
}

/// Makes a secret key in a new file; its public half.
pub(crate) fn new_key(path: &Path) -> Result<PublicKey, Failure> {
    let random = random()?;
    files::write_secret(path, "unbroken-key", &random)?;
    Ok(StaticKey::from_bytes(*random).public())
}

fn random() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(Failure::unable("there is no randomness"))?;
    Ok(random)
}

/// `unbroken id`.
pub(crate) fn id(options: &Id) -> Result<(), Failure> {
    let path = named_or(options.key.as_deref(), "key")?;
    print(format!("{}\n", load_key(&path)?.public()).as_bytes()).map(drop)
}
