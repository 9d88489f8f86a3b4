//! Sessions over TCP.

use std::io;

use tokio::net::{TcpStream, ToSocketAddrs};
use unbroken_driver::{Connected, Dialler, Framed};
use unbroken_proto::ReconnectIntent;

use crate::Compat;

/// Dials `address` (`host:port`), or the intent's alternate where that is one. For
/// [`connect_with`](crate::connect_with), on its own or inside a [`Reconnector`](crate::Reconnector).
pub fn dialler(address: impl Into<String>) -> impl Dialler {
    let address = address.into();
    move |intent: ReconnectIntent| {
        let alternate = std::str::from_utf8(&intent.alternate).ok();
        let elsewhere = alternate.filter(|alternate| alternate.contains(':'));
        dial(elsewhere.unwrap_or(&address).to_owned())
    }
}

/// Dials `address` once.
///
/// # Errors
/// As the system says.
pub async fn dial(address: impl ToSocketAddrs) -> io::Result<Connected> {
    connection(TcpStream::connect(address).await?)
}

/// A TCP stream as a connection to dial with. Nagle's algorithm is switched off: packets go when they are packed.
///
/// # Errors
/// The socket's options cannot be set.
pub fn connection(stream: TcpStream) -> io::Result<Connected> {
    stream.set_nodelay(true)?;
    Ok(Connected::ordered(Framed::new(Compat(stream))))
}

/// A TCP stream as an accepted connection, for [`Server::serve`](crate::Server::serve).
///
/// # Errors
/// The socket's options cannot be set.
pub fn accepted(stream: TcpStream) -> io::Result<Connected> {
    stream.set_nodelay(true)?;
    Ok(Connected::ordered(Framed::accepted(Compat(stream))))
}
