//! A JSON value whose meaning depends on what stands beside it, or is unknown.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::ssm::json::{self, BodyError, Value};

/// A whole JSON value, as it was written. Comparison is of the text.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Box<str>);

impl RawJson {
    /// One JSON value.
    ///
    /// # Errors
    /// `text` is too long, nested too deeply, or not one JSON value.
    pub fn new(text: &str) -> Result<RawJson, BodyError> {
        json::read(text.as_bytes())
    }

    /// What `value` is when it is written.
    pub(crate) fn of(value: &impl Value) -> RawJson {
        let mut text = Vec::new();
        value.write(&mut text);
        // Everything that is written is made of characters.
        RawJson(alloc::string::String::from_utf8_lossy(&text).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Reads the value.
    pub(crate) fn read<'a, T: Deserialize<'a> + Default>(&'a self) -> Result<T, BodyError> {
        let read: Option<T> = json::read(self.0.as_bytes())?;
        Ok(read.unwrap_or_default())
    }
}

/// `null`.
impl Default for RawJson {
    fn default() -> RawJson {
        RawJson("null".into())
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({})", self.0)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RawJson, D::Error> {
        let raw: Box<RawValue> = Deserialize::deserialize(from)?;
        Ok(RawJson(raw.into()))
    }
}

impl Value for RawJson {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}
