//! What a stream leads to on the far side. The stream's label says it, and codes of RESET and STOP say why it could not be.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use unbroken_tokio::proto::config::MAX_LABEL;
use unbroken_tokio::proto::stream::StreamOptions;

/// The longest that a stream may have.
const LONG_FRAGMENTS: usize = 64_000;
/// The priority of what a person waits for; others have 128.
const BEFORE_OTHERS: u8 = 64;
/// The label of streams to terminals.
const TERMINAL: &str = "terminal";

/// The first message on a stream whose label asks for it, once its target is connected.
pub(crate) const CONNECTED: &[u8] = b"connected";

/// A target, as the command line and a stream's label write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `HOST:PORT`, as `tcp:HOST:PORT` in a label. An IPv6 address stands in brackets.
    Tcp { host: String, port: u16 },
    /// `unix:/PATH`.
    Unix(String),
    /// `echo`: what is sent comes back.
    Echo,
}

impl Target {
    /// A stream's label.
    fn label(&self) -> Bytes {
        match self {
            Target::Tcp { .. } => format!("tcp:{self}"),
            _ => self.to_string(),
        }
        .into()
    }

    /// The target that a label names; `None`: it names none.
    fn of_label(label: &[u8]) -> Option<Target> {
        let text = std::str::from_utf8(label).ok()?;
        match text.strip_prefix("tcp:") {
            Some(tcp) => tcp.parse().ok().filter(|target| matches!(target, Target::Tcp { .. })),
            None => text.parse().ok().filter(|target| !matches!(target, Target::Tcp { .. })),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Target::Tcp { host, port } => write!(f, "{host}:{port}"),
            Target::Unix(path) => write!(f, "unix:{path}"),
            Target::Echo => f.write_str("echo"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let target = match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Target::Unix(path.to_owned()),
            Some(_) => return Err("a Unix socket's path begins with a slash".into()),
            None if text == "echo" => Target::Echo,
            None => {
                let (host, port) = host_and_port(text)?;
                Target::Tcp { host, port }
            }
        };
        if target.label().len() > MAX_LABEL {
            return Err(format!("longer than {MAX_LABEL} bytes"));
        }
        Ok(target)
    }
}

/// `HOST:PORT`, IPv6 addresses in brackets.
pub(crate) fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT")?;
    let host = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
        Some(Some(v6)) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
        Some(_) => return Err(format!("no IPv6 address: {host}")),
        None if host.contains(':') => return Err("an IPv6 address stands in brackets".into()),
        None => host,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(is_name) {
        return Err("expected HOST:PORT".into());
    }
    let port = port.parse().ok().filter(|port| *port > 0);
    Ok((host.to_owned(), port.ok_or("a port is a number from 1 to 65535")?))
}

/// What a stream is for, as its label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It leads to a target.
    To(Target),
    /// It leads to a target of the network, and a first message says when that is connected: `confirm:TARGET`.
    Confirmed(Target),
    /// It has this end accept connections there, for as long as it is open: `listen:PLACE`. The first line that comes back on it is where it does.
    Listen(String),
    /// It is a connection that was accepted there: `accepted:PLACE`, the place as it was asked for.
    Accepted(String),
    /// It leads to a terminal, which it names itself: `terminal`.
    Terminal,
    /// What is said on it is shown to a person: `note:`.
    Note,
}

impl Purpose {
    fn label(&self) -> Bytes {
        match self {
            Purpose::To(target) => target.label(),
            Purpose::Confirmed(target) => [b"confirm:", &target.label()[..]].concat().into(),
            Purpose::Listen(place) => format!("listen:{place}").into(),
            Purpose::Accepted(place) => format!("accepted:{place}").into(),
            Purpose::Terminal => TERMINAL.into(),
            Purpose::Note => Bytes::from_static(b"note:"),
        }
    }

    /// How a stream for it is opened. Its frames are long where much goes through; they are cut shorter where a line is slow. What a person
    /// types goes before all of that.
    pub(crate) fn options(&self) -> StreamOptions {
        let options = StreamOptions::default().with_label(self.label());
        match self {
            Purpose::Terminal => options.with_priority(BEFORE_OTHERS),
            _ => options.with_fragment_size(Some(LONG_FRAGMENTS)),
        }
    }

    pub(crate) fn of_label(label: &[u8]) -> Option<Purpose> {
        let text = std::str::from_utf8(label).ok()?;
        if text == TERMINAL {
            return Some(Purpose::Terminal);
        }
        match text.split_once(':') {
            Some(("confirm", target)) => Target::of_label(target.as_bytes())
                .filter(|target| *target != Target::Echo)
                .map(Purpose::Confirmed),
            Some(("listen", place)) => Some(Purpose::Listen(place.to_owned())),
            Some(("accepted", place)) => Some(Purpose::Accepted(place.to_owned())),
            Some(("note", "")) => Some(Purpose::Note),
            _ => Target::of_label(label).map(Purpose::To),
        }
    }
}

/// Why a stream came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The server allows no such target.
    NotAllowed,
    /// Nobody listens there.
    Refused,
    /// There is no way there, or the name is not known.
    Unreachable,
    /// Nobody answers there.
    TimedOut,
    /// The label names nothing that this server knows.
    Unknown,
    /// The target, or the program that was connected to it, broke the connection.
    Broken,
    /// The place where connections were to be accepted is taken, or is none.
    Taken,
}

impl Reason {
    const ALL: [(Reason, u64, &str); 7] = [
        (Reason::NotAllowed, 1, "the server does not allow it"),
        (Reason::Refused, 2, "nobody listens there"),
        (Reason::Unreachable, 3, "it cannot be reached from the server"),
        (Reason::TimedOut, 4, "it does not answer"),
        (Reason::Unknown, 5, "the server does not know what that is"),
        (Reason::Broken, 6, "the connection there broke"),
        (Reason::Taken, 7, "that place is taken there, or cannot be listened at"),
    ];

    /// The code of RESET and STOP.
    pub(crate) fn code(self) -> u64 {
        Reason::ALL
            .iter()
            .find(|(reason, ..)| *reason == self)
            .map_or(0, |found| found.1)
    }

    pub(crate) fn of_code(code: u64) -> Option<Reason> {
        Reason::ALL.iter().find(|found| found.1 == code).map(|found| found.0)
    }

    /// What an error of connecting to the target means.
    pub(crate) fn of_connecting(error: &std::io::Error) -> Reason {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Reason::Refused,
            ErrorKind::TimedOut => Reason::TimedOut,
            ErrorKind::PermissionDenied => Reason::NotAllowed,
            _ => Reason::Unreachable,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Reason::ALL.iter().find(|(reason, ..)| reason == self);
        f.write_str(found.map_or("", |found| found.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn targets_are_read_as_they_are_written() {
        for (text, target) in [
            ("localhost:22", tcp("localhost", 22)),
            ("[::1]:22", tcp("::1", 22)),
            ("10.0.0.1:65535", tcp("10.0.0.1", 65_535)),
            ("unix:/run/x.sock", Target::Unix("/run/x.sock".into())),
            ("echo", Target::Echo),
        ] {
            assert_eq!(text.parse(), Ok(target.clone()));
            assert_eq!(target.to_string(), text);
            assert_eq!(Target::of_label(&target.label()), Some(target));
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        let long = format!("{}:22", "a".repeat(260));
        for text in [
            "",
            ":",
            "host",
            "host:",
            "host:0",
            "host:65536",
            ":22",
            "::1:22",
            "[::1:22",
            "[x]:22",
            "unix:",
            "unix:x",
            "a b:1",
            &long,
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        for label in [
            &b"localhost:22"[..],
            b"tcp:echo",
            b"tcp:unix:/x",
            b"\xff",
            b"",
            b"shell:x",
        ] {
            assert_eq!(Target::of_label(label), None, "{label:?}");
        }
    }

    #[test]
    fn purposes_are_read_as_they_are_written() {
        for purpose in [
            Purpose::To(tcp("localhost", 22)),
            Purpose::Confirmed(tcp("::1", 22)),
            Purpose::Confirmed(Target::Unix("/run/x".into())),
            Purpose::Listen("8080".into()),
            Purpose::Accepted("127.0.0.1:8080".into()),
        ] {
            assert_eq!(Purpose::of_label(&purpose.label()), Some(purpose));
        }
        for label in [
            &b"confirm:"[..],
            b"confirm:echo",
            b"confirm:localhost:22",
            b"confirm:listen:1",
        ] {
            assert_eq!(Purpose::of_label(label), None, "{label:?}");
        }
    }

    #[test]
    fn reasons_have_codes_of_their_own() {
        for (reason, code, words) in Reason::ALL {
            assert_eq!((Reason::of_code(code), reason.code()), (Some(reason), code));
            assert_eq!(reason.to_string(), words);
        }
        assert_eq!(Reason::of_code(0), None);
    }
}
