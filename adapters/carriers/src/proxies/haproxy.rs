//! The PROXY protocol: a header before everything that a proxy passes on.
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

use std::net::IpAddr;

use proxy_header::{ParseConfig, ProxyHeader};
use thiserror::Error;
use unbroken_driver::proto::Cause;
use unbroken_driver::{Budget, ByteStream, ConnectError};

/// Bytes of a header of the PROXY protocol's version 2, at most, with all that a proxy adds to it. Version 1 has at most 107.
pub const MAX_PROXY_HEADER: usize = 4 << 10;

/// Version 1's shortest header, `PROXY UNKNOWN` and a line's end; one of version 2 has at least a byte more.
const SHORTEST: usize = 15;
const LONGEST_V1: usize = 107;
const SIGNATURE_V1: &[u8] = b"PROXY ";
const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The part of version 2's header that says how long the rest is.
const FIXED_V2: usize = 16;
/// Where version 2 says what it is, and this is what it says of a connection of the proxy's own.
const COMMAND_V2: usize = 12;
const LOCAL_V2: u8 = 0x20;

/// Why a connection from a trusted proxy was closed: the source of the [`ConnectError`] that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxyProtocolError {
    /// It begins with something else.
    #[error("a connection from a trusted proxy without a header of the PROXY protocol")]
    Missing,
    /// The header is not of the form that it claims.
    #[error("a malformed header of the PROXY protocol")]
    Malformed,
    /// The header is longer than [`MAX_PROXY_HEADER`], or than version 1 allows.
    #[error("a header of the PROXY protocol that is too long")]
    TooLong,
    /// The connection ended before its header did.
    #[error("the connection ended in the middle of the PROXY protocol's header")]
    Ended,
}

impl From<ProxyProtocolError> for ConnectError {
    fn from(error: ProxyProtocolError) -> ConnectError {
        let cause = match error {
            ProxyProtocolError::Ended => Cause::Network,
            _ => Cause::Protocol,
        };
        ConnectError::new(cause).with_source(error)
    }
}

/// Reads the header that `stream` begins with, and not a byte more: whom the proxy passes on, if that is an IP address.
pub(crate) async fn read_header<S: ByteStream>(stream: &mut S) -> Result<Option<IpAddr>, ConnectError> {
    let mut header = Vec::new();
    let mut budget = Budget::new();
    fill(stream, &mut budget, &mut header, SHORTEST).await?;
    if header.starts_with(SIGNATURE_V2) {
        fill(stream, &mut budget, &mut header, FIXED_V2).await?;
        let length = FIXED_V2 + usize::from(u16::from_be_bytes([header[14], header[15]]));
        if length > MAX_PROXY_HEADER {
            return Err(ProxyProtocolError::TooLong.into());
        }
        fill(stream, &mut budget, &mut header, length).await?;
    } else if header.starts_with(SIGNATURE_V1) {
        // What follows the line is not the header's, so that it is read byte by byte.
        while !header.ends_with(b"\n") {
            if header.len() == LONGEST_V1 {
                return Err(ProxyProtocolError::TooLong.into());
            }
            let longer = header.len() + 1;
            fill(stream, &mut budget, &mut header, longer).await?;
        }
    } else {
        return Err(ProxyProtocolError::Missing.into());
    }
    Ok(source(&header)?)
}

/// Reads until `header` has `length` bytes.
async fn fill<S: ByteStream>(
    stream: &mut S,
    budget: &mut Budget,
    header: &mut Vec<u8>,
    length: usize,
) -> Result<(), ConnectError> {
    let mut filled = header.len();
    header.resize(length, 0);
    while filled < length {
        match budget
            .io(|cx| stream.poll_read_slice(cx, &mut header[filled..]))
            .await?
        {
            0 => return Err(ProxyProtocolError::Ended.into()),
            read => filled += read,
        }
    }
    Ok(())
}

fn source(header: &[u8]) -> Result<Option<IpAddr>, ProxyProtocolError> {
    // Whatever addresses stand there are to be ignored, well-formed or not (section 2.2).
    if header.starts_with(SIGNATURE_V2) && header.get(COMMAND_V2) == Some(&LOCAL_V2) {
        return Ok(None);
    }
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    match ProxyHeader::parse(header, config) {
        Ok((parsed, length)) if length == header.len() => {
            Ok(parsed.proxied_address().map(|addresses| addresses.source.ip()))
        }
        _ => Err(ProxyProtocolError::Malformed),
    }
}
