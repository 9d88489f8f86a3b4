//! Where a redirection points to, and what of it is followed (RFC 9110, section 15.4): text and types, no I/O.

use thiserror::Error;
use tungstenite::http::Uri;

use crate::error::AddressError;

/// Redirections that one dial follows at most.
pub const MAX_REDIRECTS: usize = 5;

/// Why a redirection was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// The answer has no `Location`.
    #[error("it does not say where to")]
    NoLocation,
    /// The `Location` is no address of a WebSocket: what is wrong with it.
    #[error("{0}")]
    Malformed(AddressError),
    /// It leads from TLS to where there is none.
    #[error("it would leave TLS")]
    LeavesTls,
    /// It leads to another host, to which [`Address::redirects_to`](crate::Address::redirects_to) does not allow it.
    #[error("it leads to another host")]
    OtherHost,
    /// It leads to where this dial has been.
    #[error("it leads in a circle")]
    Circle,
    /// There were [`MAX_REDIRECTS`] before it.
    #[error("there were {MAX_REDIRECTS} before it")]
    TooMany,
}

/// Whether another host, that a redirection leads to, is sent what may prove who we are: the headers that were set, and the
/// subprotocols that were offered behind ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It is sent none of them.
    Withhold,
    /// It is sent all of them, but a `Host`.
    Send,
}

/// The address that `location` means in an answer from `base` (RFC 3986, section 5.2), in the form of
/// [`Address::parse`](crate::Address::parse). `http` is `ws`, `https` is `wss`, and a fragment is left out.
pub(crate) fn resolve(base: &Uri, location: &str) -> Result<String, RedirectError> {
    let malformed = RedirectError::Malformed(AddressError::Malformed);
    // Some take a backslash for a slash, so that it would be unclear whose name is in front of it.
    if location.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err(malformed);
    }
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, rest) = match location.find([':', '/', '?']) {
        Some(at) if location[at..].starts_with(':') => (websocket_scheme(&location[..at])?, &location[at + 1..]),
        _ => (base.scheme_str().unwrap_or("ws"), location),
    };
    if let Some(there) = rest.strip_prefix("//") {
        let (authority, path) = there.split_at(there.find(['/', '?']).unwrap_or(there.len()));
        return Ok(format!("{scheme}://{authority}{}", without_dots(path)));
    }
    if rest.len() < location.len() {
        // A scheme, and no host.
        return Err(malformed);
    }
    let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = match rest.as_bytes().first() {
        None => base.path_and_query().map(ToString::to_string).unwrap_or_default(),
        Some(b'?') => format!("{}{rest}", base.path()),
        Some(b'/') => without_dots(rest),
        Some(_) => without_dots(&format!("{folder}/{rest}")),
    };
    let authority = base.authority().map(ToString::to_string).unwrap_or_default();
    Ok(format!("{scheme}://{authority}{path}"))
}

fn websocket_scheme(scheme: &str) -> Result<&'static str, RedirectError> {
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => Ok("ws"),
        "wss" | "https" => Ok("wss"),
        _ => Err(RedirectError::Malformed(AddressError::Scheme)),
    }
}

/// A path without its segments `.` and `..` (RFC 3986, section 5.2.4), and what stands behind it as it is.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let Some(segments) = path.strip_prefix('/') else {
        return format!("{path}{query}");
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        // What ends in one of them is a folder.
        if is_last {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test")]
mod tests;
