//! What becomes of an accepted socket. Nothing waits here: handshakes go on when the connection is first read.

use std::io;
use std::net::TcpStream;

use crate::framed::Framed;
use crate::websocket::WebSocket;
use crate::wire::Wire;

pub(super) fn tcp(stream: TcpStream) -> io::Result<Wire> {
    stream.set_nodelay(true)?;
    Wire::new(stream, |socket| Ok(Framed::accepted(socket)))
}

pub(super) fn websocket(stream: TcpStream) -> io::Result<Wire> {
    stream.set_nodelay(true)?;
    Wire::new(stream, |socket| Ok(WebSocket::accepted(socket)))
}

#[cfg(feature = "tls")]
pub(super) fn tls(tls: &crate::TlsServer, stream: TcpStream) -> io::Result<Wire> {
    stream.set_nodelay(true)?;
    Wire::new(stream, |socket| Ok(Framed::accepted(tls.accept(socket)?)))
}

#[cfg(feature = "tls")]
pub(super) fn wss(tls: &crate::TlsServer, stream: TcpStream) -> io::Result<Wire> {
    stream.set_nodelay(true)?;
    Wire::new(stream, |socket| Ok(WebSocket::accepted(tls.accept(socket)?)))
}
