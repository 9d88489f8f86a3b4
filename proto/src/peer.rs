//! Who a connection comes from, as far as its host can tell before anything is proven.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What connections of one origin have in common, for limits on each origin: an address prefix, or
/// any bytes of the host's choosing.
///
/// ```
/// use unbroken_proto::PeerKey;
/// let [a, b] = ["192.0.2.7", "192.0.2.99"].map(|a| PeerKey::from(a.parse::<std::net::IpAddr>().unwrap()));
/// assert_eq!(a, b); // both in 192.0.2.0/24
/// assert_ne!(a, PeerKey::opaque(b"door 2"));
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

/// The first 24 bits.
impl From<Ipv4Addr> for PeerKey {
    fn from(address: Ipv4Addr) -> PeerKey {
        let [a, b, c, _] = address.octets();
        PeerKey::new(4, &[a, b, c])
    }
}

/// The first 56 bits; an IPv4 address in IPv6's clothes counts as the former.
impl From<Ipv6Addr> for PeerKey {
    fn from(address: Ipv6Addr) -> PeerKey {
        match address.to_ipv4_mapped() {
            Some(address) => address.into(),
            None => PeerKey::new(6, &address.octets()[..7]),
        }
    }
}

impl From<IpAddr> for PeerKey {
    fn from(address: IpAddr) -> PeerKey {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
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
        assert_ne!(key("10.1.2.3"), PeerKey::opaque(&[10, 1, 2]));
        assert_ne!(PeerKey::opaque(b"a"), PeerKey::opaque(b"a\0"));
        assert_eq!(PeerKey::opaque(&[7; 40]), PeerKey::opaque(&[7; 30]));
    }
}
