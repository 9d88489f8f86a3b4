//! JSON in and out, as Go's `encoding/json` has it: what the real programs write is read, and written again to the same bytes.
//!
//! Reading is `serde_json`'s. Writing is here: a `Formatter` that escapes as Go does cannot be made without `std`, nor without an error
//! that never comes, and each frame that is received costs one such text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer};
use serde_json::error::Category;
use thiserror::Error;

/// Longest body that is read, in bytes. What can be long in a body comes out of an SSM document, which has up to 64 KiB; keys and
/// tokens have a few. What reading allocates is bounded by it, too.
pub const MAX_BODY: usize = 64 << 10;

/// Deepest nesting that is read. Known bodies have 5 levels. Reading does not recurse into what it does not know, but whoever gets a
/// [`RawJson`](crate::ssm::body::RawJson) may.
pub const MAX_DEPTH: usize = 32;

/// Why a payload is not the body it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Longer than [`MAX_BODY`].
    #[error("a body of {length} bytes")]
    TooLong {
        /// Its bytes.
        length: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("a body nested too deeply")]
    TooDeep,
    /// It is not JSON, or not whole.
    #[error("no JSON (line {line}, column {column})")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column of the line, in bytes, from 1; 0 when the line has just begun.
        column: usize,
    },
    /// It is JSON, and not that of this body: a value of another type, or a required key that is missing.
    #[error("other JSON than expected (line {line}, column {column})")]
    Mismatch {
        /// Line, from 1.
        line: usize,
        /// Column of the line, in bytes, from 1; 0 when the line has just begun.
        column: usize,
    },
    /// A body that is not JSON (a flag, an exit code) and does not have its form.
    #[error("malformed body")]
    Malformed,
}

/// Reads one value; what stands behind it is an error, too.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BodyError> {
    if bytes.len() > MAX_BODY {
        return Err(BodyError::TooLong { length: bytes.len() });
    }
    if is_deeper(bytes, MAX_DEPTH) {
        return Err(BodyError::TooDeep);
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => BodyError::Mismatch { line, column },
            Category::Io | Category::Syntax | Category::Eof => BodyError::NotJson { line, column },
        }
    })
}

/// Whether brackets are nested deeper than `most` anywhere, those in strings aside.
fn is_deeper(bytes: &[u8], most: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// `null` means what a missing key means, as in Go.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What can be the value of a key.
pub(crate) trait Value {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// Whether its key is left out altogether.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Writes an object, key by key.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    begun: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, begun: false }
    }

    /// The next key, which needs no escapes, and its value.
    pub(crate) fn field(&mut self, key: &str, value: &impl Value) -> &mut Self {
        if value.is_absent() {
            return self;
        }
        if self.begun {
            self.out.push(b',');
        }
        self.begun = true;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        value.write(self.out);
        self
    }

    pub(crate) fn end(&mut self) {
        self.out.push(b'}');
    }
}

impl Value for str {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        self.chars().for_each(|character| put_char(out, character));
        out.push(b'"');
    }
}

impl Value for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

/// A character of a string. Go 1.22 and later write `\b` and `\f` where this, as the programs that were looked at, writes `\u0008` and
/// `\u000c`; they read the same.
fn put_char(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
            put(out, format_args!("\\u{:04x}", u32::from(character)));
        }
        other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

impl Value for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Value for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, format_args!("{self}"));
    }
}

impl Value for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, format_args!("{self}"));
    }
}

/// What is not there has no key.
impl<T: Value> Value for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// A list of nothing is `null`: a slice that nothing was appended to.
impl<T: Value> Value for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            out.extend_from_slice(b"null");
            return;
        }
        for (place, value) in self.iter().enumerate() {
            out.push(if place == 0 { b'[' } else { b',' });
            value.write(out);
        }
        out.push(b']');
    }
}

/// Appends what is formatted without escapes.
pub(crate) fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Appending to a vector does not fail.
    let _ = Appended(out).write_fmt(text);
}

struct Appended<'a>(&'a mut Vec<u8>);

impl Write for Appended<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// A body: fields with their keys, in the order in which Go writes them. Any key may be missing or `null` and has its default then.
macro_rules! body {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$of_field:meta])* $key:literal => pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
        pub struct $name {
            $(
                $(#[$of_field])*
                #[serde(rename = $key, default, deserialize_with = "crate::ssm::json::or_default")]
                pub $field: $type,
            )*
        }

        $crate::ssm::json::body!(@calls $name);

        impl $crate::ssm::json::Value for $name {
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                let mut object = $crate::ssm::json::Object::new(out);
                $(object.field($key, &self.$field);)*
                object.end();
            }
        }
    };
    (@calls $name:ident) => {
        impl $name {
            /// Reads a body.
            ///
            /// # Errors
            #[doc = concat!("It is too long, nested too deeply, no JSON, or no `", stringify!($name), "`.")]
            pub fn decode(body: &[u8]) -> Result<$name, $crate::ssm::json::BodyError> {
                $crate::ssm::json::read(body)
            }

            /// Appends the body to `out`: compact, the keys in Go's order.
            pub fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                $crate::ssm::json::Value::write(self, out);
            }
        }
    };
}

pub(crate) use body;

/// A string of which some values have a meaning here; others are kept as they are.
macro_rules! names {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$of_variant:meta])* $variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
        #[serde(from = "alloc::string::String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of_variant])* $variant,)*
            /// Any other.
            Unknown(alloc::string::String),
        }

        impl $name {
            /// How it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $text,)*
                    $name::Unknown(other) => other,
                }
            }
        }

        impl From<alloc::string::String> for $name {
            fn from(text: alloc::string::String) -> $name {
                match text.as_str() {
                    $($text => $name::$variant,)*
                    _ => $name::Unknown(text),
                }
            }
        }

        /// What a missing key stands for: the empty string.
        impl Default for $name {
            fn default() -> $name {
                $name::Unknown(alloc::string::String::new())
            }
        }

        impl $crate::ssm::json::Value for $name {
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                $crate::ssm::json::Value::write(self.as_str(), out);
            }
        }
    };
}

pub(crate) use names;

#[cfg(test)]
mod tests;
