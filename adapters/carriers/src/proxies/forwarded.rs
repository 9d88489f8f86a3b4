//! The headers in which HTTP proxies write whom they pass on.
//!
//! The parsers of `Forwarded` that there are split values at each comma, quoted or not, so that a client whose words a proxy quotes
//! could add an element of its own; hence this one.

use std::net::{IpAddr, Ipv6Addr};

use tungstenite::http::HeaderMap;
use tungstenite::http::header::{FORWARDED, HeaderName, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A header in which proxies write whom they pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardingHeader {
    /// `Forwarded: for=192.0.2.7;proto=https, for="[2001:db8::1]:4711"`
    /// ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)). A line that is malformed somewhere says nothing.
    Forwarded,
    /// `X-Forwarded-For: 192.0.2.7, 2001:db8::1`, with or without ports. There is no standard of it.
    XForwardedFor,
}

/// One hop, unless what stands there is no address.
pub(super) type Hop = Option<IpAddr>;

impl ForwardingHeader {
    /// What proxies wrote, over all lines of the header: the last one's word first.
    pub(super) fn hops_backwards(self, headers: &HeaderMap) -> impl Iterator<Item = Hop> {
        let name = match self {
            ForwardingHeader::Forwarded => FORWARDED,
            ForwardingHeader::XForwardedFor => X_FORWARDED_FOR,
        };
        let lines: Vec<_> = headers.get_all(name).into_iter().rev().collect();
        lines
            .into_iter()
            .flat_map(move |line| self.hops_of(line).into_iter().rev())
    }

    fn hops_of(self, line: &HeaderValue) -> Vec<Hop> {
        let Ok(line) = line.to_str() else { return vec![None] };
        match self {
            ForwardingHeader::Forwarded => elements(line).unwrap_or_else(|| vec![None]),
            ForwardingHeader::XForwardedFor => line.split(',').map(|hop| address(hop.trim())).collect(),
        }
    }
}

/// The address of a node, with or without a port (RFC 7239, section 6). An IPv6 address needs brackets only before a port: many
/// proxies write it without.
fn address(node: &str) -> Hop {
    if let Ok(bare) = node.parse() {
        return Some(bare);
    }
    let (address, rest) = match node.strip_prefix('[') {
        Some(node) => {
            let (address, rest) = node.split_once(']')?;
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), rest)
        }
        None => {
            let (address, rest) = node.split_at(node.find(':')?);
            (IpAddr::V4(address.parse().ok()?), rest)
        }
    };
    let is_port = |port: &str| match port.strip_prefix('_') {
        Some(hidden) => !hidden.is_empty() && hidden.bytes().all(is_token),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit()),
    };
    (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then_some(address)
}

/// The parameters `for` of a line's elements; `None`: it is malformed (RFC 7239, section 4).
fn elements(line: &str) -> Option<Vec<Hop>> {
    let mut rest = line.trim_start();
    let mut elements = Vec::new();
    let mut node = None;
    loop {
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            let (name, value) = pair(&mut rest)?;
            if name.eq_ignore_ascii_case("for") && node.replace(value).is_some() {
                return None;
            }
        }
        rest = rest.trim_start();
        let mut characters = rest.chars();
        match characters.next() {
            Some(';') => {}
            Some(',') => elements.push(node.take().as_deref().and_then(address)),
            Some(_) => return None,
            None => {
                elements.push(node.as_deref().and_then(address));
                return Some(elements);
            }
        }
        rest = characters.as_str().trim_start();
    }
}

/// Takes a name and its value, unquoted, off the front of `rest`.
fn pair<'a>(rest: &mut &'a str) -> Option<(&'a str, String)> {
    let (name, value) = rest.split_once('=')?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let (value, behind) = match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            // Ports and brackets are to be quoted, and sometimes are not.
            let end = value.find(|c: char| !(c.is_ascii() && (is_token(c as u8) || ":[]".contains(c))));
            let (value, behind) = value.split_at(end.unwrap_or(value.len()));
            if value.is_empty() {
                return None;
            }
            (value.to_owned(), behind)
        }
    };
    *rest = behind;
    Some((name, value))
}

/// What stands before the closing quote, and what behind it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
