//! What a command was asked for, on standard output.

use std::io::{self, Write};

use crate::failure::Failure;

/// Writes all of it. `false`: nobody reads any more, as when `head` has enough.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Unable(format!("cannot write to standard output: {error}"))),
    }
}
