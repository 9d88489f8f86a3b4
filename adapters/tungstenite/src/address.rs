//! Where a client dials.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use tungstenite::ClientRequestBuilder;
use tungstenite::http::Uri;
use tungstenite::http::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use unbroken_proto::{Duration, ReconnectIntent};

use crate::connection::ByteStream;
use crate::dialling::patience;
use crate::failure::invalid;
use crate::framed::Framed;
use crate::websocket::WebSocket;
use crate::wire::{SharedSocket, Socket, Wire};

/// Header fields of the upgrade itself.
const OURS: [HeaderName; 6] = [
    CONNECTION,
    HOST,
    UPGRADE,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    SEC_WEBSOCKET_PROTOCOL,
];

/// Where to dial: `ws://host[:port]/path?query`, `tcp://host:port`, or plain `host:port`, which is TCP; with the feature
/// `tls` also `wss://…` and `tls://host:port`. Cheap to clone.
///
/// ```
/// use unbroken_tungstenite::Address;
/// let address = Address::parse("ws://example.org/sessions?room=1")?.header("authorization", "Bearer 0123")?;
/// assert_eq!(address.host_port(), ("example.org", 80));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Address {
    uri: Uri,
    websocket: bool,
    secure: bool,
    port: u16,
    headers: Vec<(String, String)>,
    #[cfg(feature = "tls")]
    tls: Option<crate::Tls>,
}

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
        let port = uri.port_u16().or(port);
        let port = port.ok_or_else(|| invalid("no port"))?;
        let address = Address {
            uri,
            websocket,
            secure,
            port,
            headers: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        };
        match address.host_port().0 {
            "" => Err(invalid("no host")),
            _ => Ok(address),
        }
    }

    /// This address, if it is a WebSocket.
    ///
    /// # Errors
    /// It is none: the address has no `ws://` or `wss://`.
    pub fn only_websocket(self) -> io::Result<Address> {
        if self.websocket {
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
        if self.websocket {
            Err(invalid("a WebSocket's address where host:port is wanted"))
        } else {
            Ok(self)
        }
    }

    /// Sends a header of one's own with the upgrade to WebSocket (a bearer token, a cookie).
    ///
    /// # Errors
    /// It cannot be sent, is one of the upgrade's own, or the address is no WebSocket.
    pub fn header(mut self, name: &str, value: &str) -> io::Result<Address> {
        let parsed = HeaderName::try_from(name).map_err(invalid)?;
        if OURS.contains(&parsed) {
            return Err(invalid("a header of the upgrade itself"));
        }
        HeaderValue::try_from(value).map_err(invalid)?;
        if !self.websocket {
            return Err(invalid("headers go with WebSockets only"));
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// How to verify the server, in the place of the platform's roots.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::Tls) -> Address {
        self.tls = Some(tls);
        self
    }

    /// What to connect a socket to.
    #[must_use]
    pub fn host_port(&self) -> (&str, u16) {
        let host = self.uri.host().unwrap_or_default();
        (host.trim_start_matches('[').trim_end_matches(']'), self.port)
    }

    /// Dials once, for `intent`: here, or where the server sends the client, if that is an address of the same kind.
    /// Waits no longer than the intent's deadline for a socket. For a [`Connector`](crate::Connector).
    ///
    /// # Errors
    /// As the system says, or a [`ConnectError`](crate::ConnectError).
    pub fn dial(&self, intent: &ReconnectIntent) -> io::Result<Wire> {
        let alternate = std::str::from_utf8(&intent.alternate).ok();
        let elsewhere = alternate.and_then(|alternate| self.moved(alternate));
        elsewhere.as_ref().unwrap_or(self).connect(patience(intent))
    }

    fn moved(&self, alternate: &str) -> Option<Address> {
        let there = Address::parse(alternate).ok()?;
        (there.websocket == self.websocket && there.secure == self.secure).then(|| Address {
            headers: self.headers.clone(),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            ..there
        })
    }

    fn connect(&self, patience: Duration) -> io::Result<Wire> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in self.host_port().to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_patience(Some(patience))?;
                    return self.wire(stream);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    #[cfg(not(feature = "tls"))]
    fn wire(&self, stream: TcpStream) -> io::Result<Wire> {
        self.packets(stream, Ok)
    }

    #[cfg(feature = "tls")]
    fn wire(&self, stream: TcpStream) -> io::Result<Wire> {
        if !self.secure {
            return self.packets(stream, Ok);
        }
        let tls = self.tls.clone().map_or_else(crate::Tls::platform, Ok)?;
        let wire = self.packets(stream, |socket| tls.connect(socket, self.host_port().0))?;
        Ok(wire.carrier(unbroken_proto::Carrier::ordered().authenticated()))
    }

    fn packets<S>(
        &self,
        stream: TcpStream,
        secure: impl FnOnce(SharedSocket<TcpStream>) -> io::Result<S>,
    ) -> io::Result<Wire>
    where
        S: ByteStream + Send + 'static,
    {
        if !self.websocket {
            return Wire::new(stream, |socket| Ok(Framed::new(secure(socket)?)));
        }
        let request = ClientRequestBuilder::new(self.uri.clone());
        let request = self.headers.iter().fold(request, |request, (name, value)| {
            request.with_header(name.as_str(), value.as_str())
        });
        Wire::new(stream, |socket| WebSocket::dialled(secure(socket)?, request))
    }
}
