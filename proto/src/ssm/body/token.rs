//! The token that opens a data channel.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;

use crate::redacted::Redacted;
use crate::ssm::json::Value;

/// A token of the service. Whoever has it can open the data channel, so `Debug` shows its length alone.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl Token {
    /// The token itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none: the answer of a service that has given the session up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Token {
        Token(text.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&Redacted(self.0.as_bytes())).finish()
    }
}

impl Value for Token {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}
