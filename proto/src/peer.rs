//! Who a connection comes from, as far as its host can tell before anything is proven.

use core::net::IpAddr;

/// What connections of one origin have in common, for limits on each origin: an address prefix, or
/// any bytes of the host's choosing.
///
/// ```
/// use unbroken_proto::PeerKey;
/// let [a, b] = ["192.0.2.7", "192.0.2.99"].map(|a| PeerKey::from(a.parse::<std::net::IpAddr>().unwrap()));
/// assert_eq!(a, b); // both in 192.0.2.0/24
/// assert_ne!(a, PeerKey::opaque(b"gate 2"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    kind: u8,
    bytes: [u8; PeerKey::MAX],
    len: u8,
}

impl PeerKey {
    /// Bytes that count; hash longer ones first.
    pub const MAX: usize = 30;

    /// The host's own bytes, of which the first [`MAX`](Self::MAX) count.
    #[must_use]
    pub fn opaque(bytes: &[u8]) -> PeerKey {
        PeerKey::new(0, bytes)
    }

    fn new(kind: u8, given: &[u8]) -> PeerKey {
        let mut bytes = [0; PeerKey::MAX];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(given) {
            *to = *from;
            len += 1;
        }
        PeerKey { kind, bytes, len }
    }
}

/// How many leading bits of an address make a peer: those that one subscriber has to himself, as a rule.
///
/// ```
/// use unbroken_proto::PeerPrefix;
/// let alone = PeerPrefix { v4: 32, v6: 128 };
/// let [a, b] = ["192.0.2.7", "192.0.2.99"].map(|a| alone.key(a.parse().unwrap()));
/// assert_ne!(a, b);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerPrefix {
    /// Of IPv4. At most 32 count; default 24.
    pub v4: u8,
    /// Of IPv6, at most 128; default 56. An IPv4-mapped IPv6 address counts as IPv4.
    pub v6: u8,
}

impl Default for PeerPrefix {
    fn default() -> PeerPrefix {
        PeerPrefix { v4: 24, v6: 56 }
    }
}

impl PeerPrefix {
    /// The key of the peers that share these bits of `address`.
    #[must_use]
    pub fn key(self, address: IpAddr) -> PeerKey {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = leading(32, self.v4);
                let masked = address.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                PeerKey::new(4, &masked.to_be_bytes())
            }
            IpAddr::V6(address) => {
                let bits = leading(128, self.v6);
                let masked = address.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                PeerKey::new(6, &masked.to_be_bytes())
            }
        }
    }
}

fn leading(most: u32, bits: u8) -> u32 {
    u32::from(bits).min(most)
}

/// By the default [`PeerPrefix`].
impl From<IpAddr> for PeerKey {
    fn from(address: IpAddr) -> PeerKey {
        PeerPrefix::default().key(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_words_never_meet() {
        let key = |text: &str| PeerKey::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(key("10.1.2.3"), key("10.1.2.200"));
        assert_ne!(key("10.1.2.3"), key("10.1.3.3"));
        assert_eq!(key("::ffff:10.1.2.3"), key("10.1.2.9"));
        assert_eq!(key("2001:db8:1:200::1"), key("2001:db8:1:2ff::2"));
        assert_ne!(key("2001:db8:1:200::1"), key("2001:db8:1:300::1"));
        assert_ne!(key("10.1.2.0"), PeerKey::opaque(&[10, 1, 2, 0]));
        assert_ne!(PeerKey::opaque(b"a"), PeerKey::opaque(b"a\0"));
        assert_eq!(PeerKey::opaque(&[7; 40]), PeerKey::opaque(&[7; 30]));
    }

    #[test]
    fn a_prefix_may_be_of_any_length() {
        let key = |v4, v6, text: &str| PeerPrefix { v4, v6 }.key(text.parse().expect("an address"));
        assert_eq!(key(0, 0, "10.1.2.3"), key(0, 0, "192.0.2.1"));
        assert_ne!(key(0, 0, "10.1.2.3"), key(0, 0, "2001:db8::1"), "the kinds stay apart");
        assert_ne!(key(32, 0, "10.1.2.3"), key(255, 0, "10.1.2.2"));
        assert_eq!(key(255, 0, "10.1.2.3"), key(32, 0, "10.1.2.3"));
        assert_eq!(key(25, 0, "10.1.2.3"), key(25, 0, "10.1.2.120"));
        assert_ne!(key(25, 0, "10.1.2.3"), key(25, 0, "10.1.2.130"));
        assert_eq!(key(0, 64, "2001:db8::1"), key(0, 64, "2001:db8::2"));
        assert_ne!(key(0, 255, "2001:db8::1"), key(0, 128, "2001:db8::2"));
    }
}
