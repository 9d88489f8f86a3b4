//! Where a client dials, and how it makes a connection of the byte stream it gets there.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use bytes::BytesMut;
use tungstenite::http::Uri;
use tungstenite::http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use unbroken_driver::{ByteStream, ConnectError, Connected, Framed};
use unbroken_proto::Cause;

use crate::upgrade::{MAX_HEAD, Upgrade};
use crate::websocket::WebSocket;

/// Where to dial: `ws://host[:port]/path?query`, `wss://…`, `tcp://host:port`, `tls://host:port`, or plain
/// `host:port`, which is TCP. Cheap to clone.
///
/// ```
/// use unbroken_carriers::Address;
/// let address = Address::parse("ws://example.org/sessions?room=1")?
///     .header("authorization", "Bearer 0123")?
///     .subprotocol("chat");
/// assert_eq!(address.host_port(), ("example.org", 80));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Address {
    host: Arc<str>,
    port: u16,
    websocket: Option<Ws>,
    secure: bool,
    #[cfg(feature = "tls")]
    tls: Option<crate::Tls>,
}

#[derive(Clone, Debug)]
struct Ws {
    uri: Uri,
    headers: HeaderMap,
    subprotocols: Vec<String>,
}

/// Set by the upgrade itself.
const OURS: [HeaderName; 5] = [
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
    pub fn parse(address: &str) -> io::Result<Address> {
        let uri: Uri = match address.contains("://") {
            true => address.parse(),
            false => format!("tcp://{address}").parse(),
        }
        .map_err(invalid)?;
        let (websocket, secure, port) = match uri.scheme_str() {
            Some("ws") => (true, false, Some(80)),
            Some("wss") => (true, true, Some(443)),
            Some("tcp") => (false, false, None),
            Some("tls") => (false, true, None),
            _ => return Err(invalid("neither ws://, wss://, tcp:// nor tls://")),
        };
        if secure && cfg!(not(feature = "tls")) {
            return Err(invalid("built without the feature `tls`"));
        }
        let host = uri.host().unwrap_or_default();
        // What stands behind the host and is no port must not be taken for none.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if !authority.ends_with(host) && uri.port_u16().is_none() {
            return Err(invalid("no port of that number"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (false, Some(port)) = (host.is_empty(), uri.port_u16().or(port)) else {
            return Err(invalid("no host, or no port"));
        };
        let host = host.into();
        let websocket = websocket.then_some(Ws {
            uri,
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
        });
        Ok(Address {
            host,
            port,
            websocket,
            secure,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// This address, if it is a WebSocket.
    ///
    /// # Errors
    /// It is none: the address has no `ws://` or `wss://`.
    pub fn only_websocket(self) -> io::Result<Address> {
        if self.is_websocket() {
            Ok(self)
        } else {
            Err(invalid("not a ws:// or wss:// address"))
        }
    }

    /// This address, if it is plain TCP or TLS.
    ///
    /// # Errors
    /// It is a WebSocket.
    pub fn only_tcp(self) -> io::Result<Address> {
        if self.is_websocket() {
            Err(invalid("a WebSocket's address where host:port is wanted"))
        } else {
            Ok(self)
        }
    }

    /// Sends a header of one's own with the upgrade (a bearer token, a cookie). To send another one with each
    /// dial, clone the address in a connector.
    ///
    /// # Errors
    /// It cannot be sent, is one of the upgrade's own (a `Host` of yours replaces it), or the address is no WebSocket.
    pub fn header(mut self, name: &str, value: &str) -> io::Result<Address> {
        let name = HeaderName::from_str(name).map_err(invalid)?;
        let mut value = HeaderValue::from_str(value).map_err(invalid)?;
        value.set_sensitive(true);
        match &mut self.websocket {
            _ if OURS.contains(&name) => Err(invalid("a header of the upgrade itself")),
            None => Err(invalid("headers go with WebSockets only")),
            Some(ws) => {
                match name == HOST {
                    true => ws.headers.insert(name, value).is_some(),
                    false => ws.headers.append(name, value),
                };
                Ok(self)
            }
        }
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

    /// Where `alternate`, the server's own words, says to go instead: an address of the forms of
    /// [`parse`](Self::parse), with this address's headers, subprotocols and TLS. This address if it says
    /// nothing of the kind, or would leave TLS.
    #[must_use]
    pub fn alternate(&self, alternate: &[u8]) -> Address {
        let said = std::str::from_utf8(alternate).ok();
        let Some(mut there) = said.and_then(|address| Address::parse(address).ok()) else {
            return self.clone();
        };
        if self.secure && !there.secure {
            return self.clone();
        }
        if let (Some(ws), Some(ours)) = (&mut there.websocket, &self.websocket) {
            ws.headers.clone_from(&ours.headers);
            ws.subprotocols.clone_from(&ours.subprotocols);
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
    /// the upgrade to WebSocket happen here.
    ///
    /// # Errors
    /// The stream breaks, or a [`ConnectError`] that says what is wrong with the other end. A certificate that does
    /// not verify is [`Cause::Untrusted`].
    pub async fn connect<S>(&self, stream: S) -> io::Result<Connected>
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        if !self.secure {
            return self.converse(stream).await;
        }
        #[cfg(feature = "tls")]
        {
            let tls = match &self.tls {
                Some(given) => given.clone(),
                None => crate::Tls::platform()?,
            };
            let stream = tls.connect(stream, &self.host).await?;
            return Ok(self.converse(stream).await?.authenticated());
        }
        #[cfg(not(feature = "tls"))]
        Err(invalid("built without the feature `tls`"))
    }

    async fn converse<S>(&self, mut stream: S) -> io::Result<Connected>
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        let Some(ws) = &self.websocket else {
            return Ok(Connected::ordered(Framed::new(stream)));
        };
        let upgrade = Upgrade::new(&ws.uri, &ws.headers, &ws.subprotocols)?;
        write_all(&mut stream, upgrade.request()).await?;
        let mut received = BytesMut::with_capacity(1 << 10);
        let head = loop {
            if !read_some(&mut stream, &mut received).await? {
                return Err(ConnectError::new(Cause::Network)
                    .with_source("the connection ended in the middle of the upgrade")
                    .into());
            }
            if let Some(head) = upgrade.answered(&received)? {
                break head;
            }
        };
        Ok(Connected::ordered(WebSocket::dialled(
            stream,
            received[head..].to_vec(),
        )))
    }
}

/// Plain TCP.
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address {
            host: address.ip().to_string().into(),
            port: address.port(),
            websocket: None,
            secure: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl TryFrom<&str> for Address {
    type Error = io::Error;

    fn try_from(address: &str) -> io::Result<Address> {
        Address::parse(address)
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// Reads something behind what `received` holds, no further than the longest head; false at the end.
pub(crate) async fn read_some<S: ByteStream>(stream: &mut S, received: &mut BytesMut) -> io::Result<bool> {
    received.reserve((received.len() + 1).min(MAX_HEAD));
    Ok(poll_fn(|cx| stream.poll_read(cx, received)).await? > 0)
}

/// Writes all of it and flushes.
pub(crate) async fn write_all<S: ByteStream>(stream: &mut S, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let wrote = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        if wrote == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[wrote..];
    }
    poll_fn(|cx| stream.poll_flush(cx)).await
}

#[cfg(test)]
mod tests;
