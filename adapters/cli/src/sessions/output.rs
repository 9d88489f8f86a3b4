//! What goes to standard output.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Prints it, and a line's end. `false`: nobody reads any more, as when `head` has enough.
pub(super) fn print(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Unable(format!("cannot write to standard output: {error}"))),
    }
}

/// A value as one line of JSON.
pub(super) fn document(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Broken(error.to_string()))
}

/// Whether a person looks at it.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether it may have colours (no-color.org).
pub(super) fn colours() -> bool {
    is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
