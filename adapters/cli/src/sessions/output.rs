//! What goes to standard output.

use std::io::{self, IsTerminal};

use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// Prints it, and a line's end; as [`output::print`].
pub(super) fn print(text: &str) -> Result<bool, Failure> {
    output::print(format!("{text}\n").as_bytes())
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
