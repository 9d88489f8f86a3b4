//! What is wrong with an address, and why nothing could begin.

use std::io;

use thiserror::Error;
use unbroken_driver::proto::Cause;
use unbroken_driver::proto::error::ConfigError;
use unbroken_driver::{ConnectError, DurableError};

/// What is wrong with an [`Address`](crate::Address).
///
/// As a [`ConnectError`] it is final before a session exists: the address has to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not of the form `scheme://host:port`, with a path for WebSockets only, in ASCII and with no percent-encoded host.
    #[error("an address has the form scheme://host:port, and a path only for WebSockets")]
    Malformed,
    /// The scheme is another one than `ws`, `wss`, `tcp` and `tls`.
    #[error("an address begins with ws://, wss://, tcp:// or tls://")]
    Scheme,
    /// There is a user's name or password in it, which would not be sent: see [`Address::header`](crate::Address::header).
    #[error("a user's name in an address is not sent")]
    UserInfo,
    /// There is a fragment in it (`#…`), which no request sends (RFC 3986, section 3.5).
    #[error("a fragment in an address is not sent")]
    Fragment,
    /// Its IPv6 address has a zone (`%…`, RFC 6874). [`Address::connect`](crate::Address::connect) takes a socket.
    #[error("the zone of an IPv6 address is not supported")]
    Zone,
    /// It names no host.
    #[error("no host in the address")]
    NoHost,
    /// It names no port, and its scheme implies none.
    #[error("no port in the address")]
    NoPort,
    /// What stands in the place of the port is no number from 1 to 65535.
    #[error("the port is no number from 1 to 65535")]
    PortOutOfRange,
    /// It asks for TLS, in a build without the feature `tls`.
    #[error("built without the feature `tls`")]
    NoTls,
    /// A WebSocket's address is wanted, or a header is given to another kind of address.
    #[error("not a ws:// or wss:// address")]
    NotWebSocket,
    /// An address of plain TCP or TLS is wanted.
    #[error("a WebSocket's address where host:port is wanted")]
    NotTcp,
    /// A header or a subprotocol cannot be sent.
    #[error("a header that cannot be sent")]
    Header,
    /// The header is one that the upgrade itself sets.
    #[error("a header of the upgrade itself")]
    ReservedHeader,
}

impl From<AddressError> for ConnectError {
    fn from(error: AddressError) -> ConnectError {
        ConnectError::new(Cause::NoService).with_source(error)
    }
}

/// Why a session or a server could not be set up. Nothing was dialled, and nothing accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is none, or none of the kind that is wanted.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The system has no entropy.
    #[error("no entropy: {0}")]
    Entropy(#[source] io::Error),
    /// A durable session could not be begun, or gone on with.
    #[error(transparent)]
    Durable(#[from] DurableError),
}
