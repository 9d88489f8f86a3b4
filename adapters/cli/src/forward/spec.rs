//! What is forwarded, as ssh writes it.

use std::str::FromStr;

use crate::listener::Bind;
use crate::target::Target;

/// `[BIND:]PORT:TARGET` or `/PATH:TARGET`: where connections are accepted, and what they are connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forwarded {
    pub(crate) bind: Bind,
    pub(crate) target: Target,
}

impl FromStr for Forwarded {
    type Err = String;

    fn from_str(text: &str) -> Result<Forwarded, String> {
        let (bind, target) = split(text).ok_or("expected [BIND:]PORT:HOST:PORT")?;
        let target = target.parse::<Target>()?;
        Ok(Forwarded {
            bind: bind.parse()?,
            target,
        })
    }
}

/// Before and behind the colon in front of the target.
fn split(text: &str) -> Option<(&str, &str)> {
    if let Some(at) = text.find(":unix:").or_else(|| text.strip_suffix(":echo").map(str::len)) {
        return Some((&text[..at], &text[at + 1..]));
    }
    let port = text.rfind(':')?;
    let host = &text[..port];
    let colon = match host.ends_with(']') {
        true => host
            .rfind('[')?
            .checked_sub(1)
            .filter(|at| host.as_bytes().get(*at) == Some(&b':'))?,
        false => host.rfind(':')?,
    };
    Some((&text[..colon], &text[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_paths_are_read_as_ssh_reads_them() {
        let tcp = |host: &str, port| Bind::Tcp(host.to_owned(), port);
        for (text, bind, target) in [
            ("8080:localhost:80", tcp("127.0.0.1", 8080), "localhost:80"),
            ("0:localhost:80", tcp("127.0.0.1", 0), "localhost:80"),
            ("*:8080:localhost:80", tcp("0.0.0.0", 8080), "localhost:80"),
            ("10.0.0.1:8080:db:5432", tcp("10.0.0.1", 8080), "db:5432"),
            ("[::1]:8080:[::2]:80", tcp("::1", 8080), "[::2]:80"),
            ("8080:[::2]:80", tcp("127.0.0.1", 8080), "[::2]:80"),
            ("8080:unix:/run/x", tcp("127.0.0.1", 8080), "unix:/run/x"),
            ("/run/a:unix:/run/x", Bind::Unix("/run/a".into()), "unix:/run/x"),
            ("/run/a:db:5432", Bind::Unix("/run/a".into()), "db:5432"),
            ("7:echo", tcp("127.0.0.1", 7), "echo"),
        ] {
            let target = target.parse().expect("because it is a target");
            assert_eq!(text.parse(), Ok(Forwarded { bind, target }), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "80",
            "localhost:80",
            "x:localhost:80",
            "8080:localhost",
            "8080:localhost:x",
            "99999:localhost:80",
            "::1:80:a:1",
            ":80:a:1",
        ] {
            assert!(text.parse::<Forwarded>().is_err(), "{text}");
        }
    }
}
