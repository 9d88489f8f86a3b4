//! Which targets clients may be connected to.

use std::fmt;
use std::str::FromStr;

use crate::target::Target;

/// Targets of forwarding: `HOST:PORT` or `unix:/PATH`, with `*` for any letters, and for any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    name: String,
    /// `None`: a Unix socket. `Some(None)`: any port.
    port: Option<Option<u16>>,
}

impl Pattern {
    pub(crate) fn matches(&self, target: &Target) -> bool {
        match (target, self.port) {
            (Target::Tcp { host, port }, Some(wanted)) => {
                wanted.is_none_or(|wanted| wanted == *port)
                    && is_like(&host.to_ascii_lowercase(), &self.name.to_ascii_lowercase())
            }
            (Target::Unix(path), None) => !path.split('/').any(|part| part == "..") && is_like(path, &self.name),
            _ => false,
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with(['/', '*']) {
                true => Ok(Pattern {
                    name: path.to_owned(),
                    port: None,
                }),
                false => Err("a Unix socket's path begins with a slash, or is *".into()),
            };
        }
        let (name, port) = text
            .rsplit_once(':')
            .ok_or("expected HOST:PORT, of which each may be *")?;
        let port = match port {
            "*" => None,
            port => Some(
                port.parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or("a port is a number from 1 to 65535, or *")?,
            ),
        };
        let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let name = v6.unwrap_or(name);
        if name.is_empty() || v6.is_none() && name.contains(':') {
            return Err("expected HOST:PORT; an IPv6 address stands in brackets".into());
        }
        Ok(Pattern {
            name: name.to_owned(),
            port: Some(port),
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => write!(f, "unix:{}", self.name),
            Some(None) => write!(f, "{}:*", self.name),
            Some(Some(port)) => write!(f, "{}:{port}", self.name),
        }
    }
}

/// Whether `text` is `pattern`, in which each `*` stands for any letters, or none.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place is as good as any: what follows may be anything.
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, target: &str) -> bool {
        let pattern: Pattern = pattern.parse().expect("because it is a pattern");
        pattern.matches(&target.parse().expect("because it is a target"))
    }

    #[test]
    fn nothing_is_allowed_but_what_matches_as_a_whole() {
        for (pattern, target, allowed) in [
            ("localhost:22", "localhost:22", true),
            ("localhost:22", "LocalHost:22", true),
            ("localhost:22", "localhost:23", false),
            ("localhost:22", "localhost.example:22", false),
            ("*:22", "anything.example:22", true),
            ("*:22", "anything.example:2222", false),
            ("localhost:*", "localhost:1", true),
            ("*:*", "unix:/x", false),
            ("*.example:22", "a.example:22", true),
            ("*.example:22", "a.example.org:22", false),
            ("*.example:22", "example:22", false),
            ("a*b*c:1", "axxbyyc:1", true),
            ("a*b*c:1", "abc:1", true),
            ("a*b*c:1", "acb:1", false),
            ("[::1]:22", "[::1]:22", true),
            ("[::1]:22", "[::2]:22", false),
            ("unix:/run/*", "unix:/run/a.sock", true),
            ("unix:/run/*", "unix:/run/../etc/x", false),
            ("unix:/run/*", "unix:/var/a", false),
            ("unix:*", "unix:/var/a", true),
            ("unix:*", "localhost:22", false),
        ] {
            assert_eq!(allows(pattern, target), allowed, "{pattern} {target}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "localhost",
            ":22",
            "localhost:",
            "localhost:x",
            "localhost:0",
            "::1:22",
            "unix:x",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
