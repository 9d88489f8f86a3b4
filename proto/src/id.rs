//! Names: sides, sessions, streams, attaches, carriers.

use core::fmt;

use crate::peer::PeerKey;

/// Which end of the session this is. Only the client dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that dials.
    Client,
    /// The end that accepts.
    Server,
}

/// Names a session; the same 16 bytes on both sides. Public: it names, it never proves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// Names a stream inside its session. The client's are odd, the server's even from 2; never reused.
///
/// ```
/// use unbroken_proto::{Side, StreamId};
/// assert_eq!(StreamId(3).opener(), Side::Client);
/// assert_eq!(StreamId(2).opener(), Side::Server);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

impl StreamId {
    /// Whose `open` made this stream.
    #[must_use]
    pub const fn opener(self) -> Side {
        if self.0 % 2 == 1 { Side::Client } else { Side::Server }
    }
}

/// The number of an attach, strictly growing within one [`Session`](crate::Session) value. Names a
/// connection towards the machine; input under an epoch that is over is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// What kind of connection is being attached.
///
/// Version 1 knows *ordered* carriers: WebSocket, TCP, TLS, pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    authenticated: bool,
    peer: Option<PeerKey>,
}

impl Carrier {
    /// An ordered, reliable byte or message carrier.
    #[must_use]
    pub const fn ordered() -> Carrier {
        Carrier {
            authenticated: false,
            peer: None,
        }
    }

    /// Declares that the host verified the peer's identity on this carrier itself (TLS with a checked
    /// certificate), so that a credential may be sent over it.
    #[must_use]
    pub const fn authenticated(self) -> Carrier {
        Carrier {
            authenticated: true,
            ..self
        }
    }

    /// Says where the connection comes from, for limits on each origin (accepting side).
    #[must_use]
    pub const fn from_peer(self, peer: PeerKey) -> Carrier {
        Carrier {
            peer: Some(peer),
            ..self
        }
    }

    /// Where it comes from, if the host said so.
    #[must_use]
    pub const fn peer(self) -> Option<PeerKey> {
        self.peer
    }

    /// Whether the host vouched for the peer.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        self.authenticated
    }
}
