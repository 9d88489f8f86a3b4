//! Bytes in JSON: the standard alphabet of base64, with padding.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error};

use crate::redacted::Redacted;
use crate::ssm::json::Value;

/// Bytes that are base64 in JSON. No bytes are `null`, as in Go; `""` reads as none, too. `Debug` shows how many there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Base64 {
    /// The text; empty for no bytes.
    #[must_use]
    pub fn to_text(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Base64").field(&Redacted(&self.0)).finish()
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Base64, D::Error> {
        let text: Cow<'de, str> = Deserialize::deserialize(from)?;
        let bytes = STANDARD.decode(text.as_bytes());
        bytes.map(Base64).map_err(|_| D::Error::custom("no base64"))
    }
}

impl Value for Base64 {
    fn write(&self, out: &mut Vec<u8>) {
        if self.0.is_empty() {
            out.extend_from_slice(b"null");
            return;
        }
        out.push(b'"');
        out.extend_from_slice(self.to_text().as_bytes());
        out.push(b'"');
    }
}
