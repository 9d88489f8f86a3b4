//! Which proxies are believed, and what they say about whom a connection comes from.

mod forwarded;
mod haproxy;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tungstenite::http::HeaderMap;

pub use forwarded::ForwardingHeader;
pub(crate) use haproxy::read_header;
pub use haproxy::{MAX_PROXY_HEADER, ProxyProtocolError};

/// The proxies in front of a listener, and where they write whom they pass on: for limits on each origin
/// ([`PeerKey`](unbroken_driver::proto::PeerKey)), which would otherwise take all that comes through one proxy for one peer.
///
/// Nobody is believed unless his address has one of the prefixes: not what a client writes into its own request, nor what a
/// trusted proxy passes on of that. A listener believes nobody by default ([`Acceptor::behind`](crate::Acceptor::behind)
/// changes that), and what is not asked for here is not looked for. List proxies only: whoever has an address of
/// these prefixes may claim any other. IPv4-mapped IPv6 addresses count as IPv4 everywhere.
///
/// ```
/// use unbroken_carriers::{Acceptor, ForwardingHeader, TrustedProxies};
/// let proxies = TrustedProxies::new(["10.0.0.0/8".parse()?, "2001:db8:7::/48".parse()?]);
/// let nginx = Acceptor::websocket().behind(proxies.clone().header(ForwardingHeader::XForwardedFor));
/// let haproxy = Acceptor::tcp().behind(proxies.proxy_protocol());
/// # drop((nginx, haproxy));
/// # Ok::<(), unbroken_carriers::ipnet::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    prefixes: Arc<[IpNet]>,
    proxy_protocol: bool,
    header: Option<ForwardingHeader>,
}

impl TrustedProxies {
    /// Proxies whose addresses have one of `prefixes`. What they write is said by
    /// [`proxy_protocol`](TrustedProxies::proxy_protocol) and [`header`](TrustedProxies::header).
    #[must_use]
    pub fn new(prefixes: impl IntoIterator<Item = IpNet>) -> TrustedProxies {
        TrustedProxies {
            prefixes: prefixes.into_iter().map(canonical).collect(),
            proxy_protocol: false,
            header: None,
        }
    }

    /// Each connection of theirs begins with a header of the
    /// [PROXY protocol](https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt), version 1 or 2, before TLS and all
    /// else: one that does not is closed ([`ProxyProtocolError`]). A header that names no IP address (`LOCAL`, `UNKNOWN`, Unix
    /// sockets) leaves it at the socket's. Other connections have none, and are not searched for one.
    #[must_use]
    pub fn proxy_protocol(self) -> TrustedProxies {
        TrustedProxies {
            proxy_protocol: true,
            ..self
        }
    }

    /// They write into this header of a WebSocket's request, and into no other one: name the one that they all write
    /// themselves, since they pass on what clients write into others. Plain TCP has no headers.
    #[must_use]
    pub fn header(self, header: ForwardingHeader) -> TrustedProxies {
        TrustedProxies {
            header: Some(header),
            ..self
        }
    }

    /// Whether `address` is a proxy's.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }

    /// Whom a request comes from that came over a connection from `address`: for whoever has an HTTP server of his own
    /// ([`upgrading`](crate::upgrading)).
    ///
    /// The header is read from right to left: the first address that is no trusted proxy's is the client's, and what stands left of
    /// it is the client's own word. Where the header says no more (at its end, at `unknown`, an obfuscated name like
    /// `_hidden`, or what is malformed) it is the last proxy that is known. Takes time in proportion to the headers.
    #[must_use]
    pub fn client(&self, address: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut known = address.to_canonical();
        let Some(header) = self.header else { return known };
        let mut hops = header.hops_backwards(headers);
        while self.trusts(known)
            && let Some(Some(hop)) = hops.next()
        {
            known = hop.to_canonical();
        }
        known
    }

    pub(crate) fn speak_proxy_protocol(&self) -> bool {
        self.proxy_protocol
    }

    pub(crate) fn write_a_header(&self) -> bool {
        self.header.is_some()
    }
}

/// A prefix of IPv4-mapped addresses as the prefix of IPv4 that it means.
fn canonical(prefix: IpNet) -> IpNet {
    let length = prefix.prefix_len();
    match prefix.addr().to_canonical() {
        IpAddr::V4(address) if prefix.max_prefix_len() == 128 && length >= 96 => {
            IpNet::new(address.into(), length - 96).unwrap_or(prefix)
        }
        _ => prefix,
    }
}
