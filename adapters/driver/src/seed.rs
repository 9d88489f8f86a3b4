//! Entropy for machines, which draw none themselves.

use std::io;

use unbroken_proto::config::Seed;

/// 32 fresh random bytes of the system.
///
/// # Errors
/// The system has none.
pub fn fresh_seed() -> io::Result<Seed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Seed(seed))
}
