//! How packets are framed, and where they wait for TCP.

/// How packets are told apart on a byte stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Two bytes of length.
    ByteStream,
    /// A frame of RFC 6455, section 5.2, each.
    WebSocket,
}

impl Framing {
    /// What a packet of that length takes beyond itself; a WebSocket's client masks.
    #[must_use]
    pub fn overhead(self, length: usize, by_client: bool) -> u64 {
        let mask = if by_client { 4 } else { 0 };
        match (self, length) {
            (Framing::ByteStream, _) => 2,
            (Framing::WebSocket, 0..=125) => 2 + mask,
            (Framing::WebSocket, 126..=65_535) => 4 + mask,
            (Framing::WebSocket, _) => 10 + mask,
        }
    }
}

/// Where packets wait for TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// A socket that takes packets while less than so many bytes in it are not sent (`TCP_NOTSENT_LOWAT`).
    Kernel {
        /// Bytes.
        unsent: u64,
    },
    /// Somebody near takes so many bytes at once and sends them on: a proxy, or a kernel that cannot be told. They
    /// count as waiting before the line.
    Relay {
        /// Bytes.
        holds: u64,
    },
}

impl Socket {
    /// Whether it takes one more packet.
    #[must_use]
    pub fn takes_more(self, unsent: u64) -> bool {
        let (Socket::Kernel { unsent: most } | Socket::Relay { holds: most }) = self;
        unsent < most
    }

    pub(super) fn is_relay(self) -> bool {
        matches!(self, Socket::Relay { .. })
    }
}
