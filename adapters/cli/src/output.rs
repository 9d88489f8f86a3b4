//! What a command was asked for, on standard output.

use std::io::{self, Write};

use crate::failure::Failure;

/// Writes all of it.
///
/// # Errors
/// It cannot be written, but for those who have read enough.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::unable("cannot write")),
    }
}
