//! What a client of SOCKS5 (RFC 1928) says, and what it is answered.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::target::{Reason, Target};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const CONNECT: u8 = 1;

/// The client is to go on without saying who it is.
pub(crate) const WELCOME: [u8; 2] = [VERSION, NO_AUTHENTICATION];
/// The client offers no method that we have.
pub(crate) const NO_METHOD: [u8; 2] = [VERSION, 0xff];

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Succeeded = 0,
    Failure = 1,
    NotAllowed = 2,
    HostUnreachable = 4,
    Refused = 5,
    /// Of the time to live; what comes nearest to a host that does not answer.
    Expired = 6,
    NoSuchCommand = 7,
    NoSuchAddress = 8,
}

impl Reply {
    /// Nobody is told where the connection begins: that is the server's affair.
    pub(crate) fn bytes(self) -> [u8; 10] {
        [VERSION, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }

    /// Why the server did not connect the stream.
    pub(crate) fn of_reason(reason: Option<Reason>) -> Reply {
        match reason {
            Some(Reason::NotAllowed) => Reply::NotAllowed,
            Some(Reason::Refused) => Reply::Refused,
            Some(Reason::Unreachable) => Reply::HostUnreachable,
            Some(Reason::TimedOut) => Reply::Expired,
            Some(Reason::Unknown | Reason::Broken | Reason::Taken) | None => Reply::Failure,
        }
    }
}

/// A message that is whole, with its length; `None`: more of it has to come.
type Read<T> = Option<(T, usize)>;

/// The client's first message: whether it does without authentication.
///
/// # Errors
/// It speaks something else.
pub(crate) fn greeting(bytes: &[u8]) -> Result<Read<bool>, ()> {
    if bytes.first().is_some_and(|version| *version != VERSION) {
        return Err(());
    }
    let Some(count) = bytes.get(1) else { return Ok(None) };
    let length = 2 + usize::from(*count);
    Ok(bytes
        .get(2..length)
        .map(|methods| (methods.contains(&NO_AUTHENTICATION), length)))
}

/// The client's second message: what it wants to be connected to.
///
/// # Errors
/// It is answered so, as soon as that is certain.
pub(crate) fn request(bytes: &[u8]) -> Result<Read<Target>, Reply> {
    for (at, expected, reply) in [
        (0, VERSION, Reply::Failure),
        (1, CONNECT, Reply::NoSuchCommand),
        (2, 0, Reply::Failure),
    ] {
        match bytes.get(at) {
            None => return Ok(None),
            Some(byte) if *byte != expected => return Err(reply),
            Some(_) => {}
        }
    }
    let (Some(kind), rest) = (bytes.get(3), bytes.get(4..).unwrap_or_default()) else {
        return Ok(None);
    };
    let host = match kind {
        1 => rest
            .first_chunk()
            .map(|v4: &[u8; 4]| (Ipv4Addr::from(*v4).to_string(), 4)),
        3 => match rest.split_first() {
            Some((0, _)) => return Err(Reply::Failure),
            Some((length, name)) => match name.get(..usize::from(*length)) {
                Some(name) => Some((host_of_name(name)?, 1 + name.len())),
                None => None,
            },
            None => None,
        },
        4 => rest
            .first_chunk()
            .map(|v6: &[u8; 16]| (format!("[{}]", Ipv6Addr::from(*v6)), 16)),
        _ => return Err(Reply::NoSuchAddress),
    };
    let Some((host, length)) = host else { return Ok(None) };
    let Some(port) = rest.get(length..length + 2).and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let target = format!("{host}:{}", u16::from_be_bytes(*port)).parse();
    let target = target.map_err(|_| Reply::Failure)?;
    Ok(Some((target, 4 + length + 2)))
}

/// A name goes to the server as it is. Some clients write addresses as names.
fn host_of_name(name: &[u8]) -> Result<String, Reply> {
    let name = std::str::from_utf8(name).map_err(|_| Reply::Failure)?;
    match name.parse::<Ipv6Addr>() {
        Ok(v6) => Ok(format!("[{v6}]")),
        Err(_) if name.contains([':', '[', ']', '/']) => Err(Reply::Failure),
        Err(_) => Ok(name.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests;
