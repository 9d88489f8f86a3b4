//! Where a client dials, and how it makes a connection of the byte stream it gets there.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use tungstenite::http::Uri;
use tungstenite::http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use unbroken_driver::{ByteStream, ConnectError, Connected, Framed, KnownAddresses};

use crate::error::AddressError;
use crate::head::{read_head, write_all};
use crate::redirect::Credentials;
use crate::response::Upgrade;
use crate::websocket::WebSocket;

/// Where to dial: `ws://host[:port]/path?query`, `wss://…`, `tcp://host:port`, `tls://host:port`, or plain
/// `host:port`, which is TCP. An IPv6 address stands in brackets, without a zone. Everything is ASCII, as in any URI. Cheap to clone.
///
/// It shows itself without its query, headers and subprotocols, which may contain tokens.
///
/// ```
/// use unbroken_carriers::{Address, AddressError};
/// let address = Address::parse("ws://example.org/sessions?token=0123")?
///     .header("authorization", "Bearer 0123")?
///     .subprotocol("chat");
/// assert_eq!(address.host_port(), ("example.org", 80));
/// assert_eq!(address.to_string(), "ws://example.org:80/sessions");
/// assert_eq!(Address::parse("ws://example.org:99999/").err(), Some(AddressError::PortOutOfRange));
/// # Ok::<(), AddressError>(())
/// ```
#[derive(Clone)]
pub struct Address {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) websocket: Option<Ws>,
    pub(crate) secure: bool,
    pub(crate) known: KnownAddresses,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::Tls>,
}

/// What is particular about a WebSocket.
#[derive(Clone, Default)]
pub(crate) struct Ws {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) subprotocols: Vec<String>,
    /// Other hosts that redirections may lead to.
    pub(crate) redirects: Vec<(String, Credentials)>,
}

/// The upgrade sets these itself.
const RESERVED: [HeaderName; 5] = [
    CONNECTION,
    UPGRADE,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    SEC_WEBSOCKET_PROTOCOL,
];

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none, or asks for TLS in a build without the feature `tls`.
    pub fn parse(address: &str) -> Result<Address, AddressError> {
        let (scheme, rest) = address.split_once("://").unwrap_or(("tcp", address));
        let (websocket, secure, default) = match scheme.to_ascii_lowercase().as_str() {
            "ws" => (true, false, Some(80)),
            "wss" => (true, true, Some(443)),
            scheme @ ("tcp" | "tls") => (false, scheme == "tls", None),
            _ => return Err(AddressError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        match path {
            _ if authority.contains('@') => return Err(AddressError::UserInfo),
            _ if authority.starts_with('[') && authority.contains('%') => return Err(AddressError::Zone),
            path if path.contains('#') => return Err(AddressError::Fragment),
            "" | "/" => {}
            path if websocket && path.is_ascii() => {}
            _ => return Err(AddressError::Malformed),
        }
        // A request always asks for a path (RFC 9112, section 3.2.1).
        let root = if path.starts_with('/') { "" } else { "/" };
        let uri = format!("{}://{authority}{root}{path}", if secure { "wss" } else { "ws" });
        let uri: Uri = uri.parse().map_err(|_| AddressError::Malformed)?;
        let host = uri.host().unwrap_or_default();
        let port = match authority.strip_prefix(host).unwrap_or_default() {
            "" => default.ok_or(AddressError::NoPort)?,
            port => match port.strip_prefix(':').unwrap_or_default().parse() {
                Ok(port @ 1..) if !authority.contains(":+") => port,
                _ => return Err(AddressError::PortOutOfRange),
            },
        };
        let host: Arc<str> = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) if v6.parse::<Ipv6Addr>().is_err() => return Err(AddressError::Malformed),
            None if host.is_empty() => return Err(AddressError::NoHost),
            v6 => v6.unwrap_or(host).into(),
        };
        if secure && cfg!(not(feature = "tls")) {
            return Err(AddressError::NoTls);
        }
        let ws = || Ws { uri, ..Ws::default() };
        Ok(Address::new(host, port, websocket.then(ws), secure))
    }

    fn new(host: Arc<str>, port: u16, websocket: Option<Ws>, secure: bool) -> Address {
        Address {
            host,
            port,
            websocket,
            secure,
            known: KnownAddresses::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// This address, if it is a WebSocket.
    ///
    /// # Errors
    /// [`AddressError::NotWebSocket`].
    pub fn only_websocket(self) -> Result<Address, AddressError> {
        match self.is_websocket() {
            true => Ok(self),
            false => Err(AddressError::NotWebSocket),
        }
    }

    /// This address, if it is plain TCP or TLS.
    ///
    /// # Errors
    /// [`AddressError::NotTcp`].
    pub fn only_tcp(self) -> Result<Address, AddressError> {
        match self.is_websocket() {
            true => Err(AddressError::NotTcp),
            false => Ok(self),
        }
    }

    /// Sends a header of one's own with the upgrade (a bearer token, a cookie); a `Host` of yours replaces the usual one.
    /// To send another header with each dial, clone the address in a connector.
    ///
    /// # Errors
    /// [`AddressError::Header`], [`AddressError::ReservedHeader`], or [`AddressError::NotWebSocket`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Address, AddressError> {
        let name = HeaderName::from_str(name).map_err(|_| AddressError::Header)?;
        let mut value = HeaderValue::from_str(value).map_err(|_| AddressError::Header)?;
        value.set_sensitive(true);
        let headers = match &mut self.websocket {
            _ if RESERVED.contains(&name) => return Err(AddressError::ReservedHeader),
            None => return Err(AddressError::NotWebSocket),
            Some(ws) => &mut ws.headers,
        };
        if name == HOST {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
        Ok(self)
    }

    /// Offers a further subprotocol behind ours: some gateways take a token there. The server must choose ours.
    #[must_use]
    pub fn subprotocol(mut self, name: &str) -> Address {
        if let Some(ws) = &mut self.websocket {
            ws.subprotocols.push(name.to_owned());
        }
        self
    }

    /// How to verify the server, in the place of the platform's roots.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::Tls) -> Address {
        self.tls = Some(tls);
        self
    }

    /// Where `alternate`, in the server's own form, says to go instead: an address of the forms of
    /// [`parse`](Self::parse), with this address's headers, subprotocols, hosts of redirections and TLS. This address if it says
    /// nothing of the kind, or would leave TLS.
    #[must_use]
    pub fn alternate(&self, alternate: &[u8]) -> Address {
        let said = std::str::from_utf8(alternate).ok();
        let there = said.and_then(|there| Address::parse(there).ok());
        let Some(mut there) = there.filter(|there| there.secure || !self.secure) else {
            return self.clone();
        };
        if let (Some(ws), Some(ours)) = (&mut there.websocket, &self.websocket) {
            ws.headers.clone_from(&ours.headers);
            ws.subprotocols.clone_from(&ours.subprotocols);
            ws.redirects.clone_from(&ours.redirects);
        }
        #[cfg(feature = "tls")]
        there.tls.clone_from(&self.tls);
        there
    }

    /// What to connect a socket to.
    #[must_use]
    pub fn host_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// What is known of the host's addresses, which this one and its clones share.
    #[must_use]
    pub fn known(&self) -> &KnownAddresses {
        &self.known
    }

    /// Whether it speaks WebSocket, or packets on the byte stream itself.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.websocket.is_some()
    }

    /// Whether it is inside TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Makes a connection of a byte stream to [`host_port`](Self::host_port): a socket, a proxy's tunnel. TLS and
    /// the upgrade to WebSocket happen here; a redirection is an error, which [`dial`](crate::dial) follows.
    ///
    /// # Errors
    /// The stream breaks, or the other end is not what it should be: [causes](crate::causes) has the table. A
    /// certificate that does not verify is [`Cause::Untrusted`](unbroken_driver::proto::Cause::Untrusted).
    pub async fn connect<S>(&self, stream: S) -> Result<Connected, ConnectError>
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        if !self.secure {
            return self.converse(stream).await;
        }
        #[cfg(feature = "tls")]
        {
            let tls = self.tls.clone().map_or_else(crate::Tls::platform, Ok);
            let stream = tls.map_err(crate::tls::failed)?.connect(stream, &self.host).await?;
            Ok(self.converse(stream).await?.authenticated())
        }
        #[cfg(not(feature = "tls"))]
        Err(AddressError::NoTls.into())
    }

    async fn converse<S>(&self, mut stream: S) -> Result<Connected, ConnectError>
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        let Some(ws) = &self.websocket else {
            return Ok(Connected::ordered(Framed::new(stream)));
        };
        let upgrade = Upgrade::new(&ws.uri, &ws.headers, &ws.subprotocols)?;
        write_all(&mut stream, upgrade.request()).await?;
        let ((), behind) = read_head(&mut stream, |received| {
            Ok(upgrade.answered(received)?.map(|length| (length, ())))
        })
        .await?;
        Ok(Connected::ordered(WebSocket::dialled(stream, behind)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.is_websocket(), self.secure) {
            (true, true) => "wss",
            (true, false) => "ws",
            (false, true) => "tls",
            (false, false) => "tcp",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port)?,
            false => write!(f, "{scheme}://{}:{}", self.host, self.port)?,
        }
        self.websocket.as_ref().map_or(Ok(()), |ws| f.write_str(ws.uri.path()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Plain TCP.
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let host = match address {
            // As the system's look-up takes it (RFC 4007, section 11).
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            address => address.ip().to_string(),
        };
        Address::new(host.into(), address.port(), None, false)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(address: &str) -> Result<Address, AddressError> {
        Address::parse(address)
    }
}
