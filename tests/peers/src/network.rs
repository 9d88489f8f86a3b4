//! Between the two ends: loopback, with or without a relay.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::relay::{Line, Relay};

/// What lies between the two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    /// The relay's line; without one, the ends are connected directly.
    pub(crate) line: Option<Line>,
}

/// Where a client has to connect to.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// Ends what goes through it when it is dropped.
    _relay: Option<Relay>,
}

impl Network {
    /// The way to a server over TCP.
    pub(crate) fn door(self, server: SocketAddr) -> io::Result<Door> {
        self.through(server, Relay::start)
    }

    /// The way to a server over UDP.
    pub(crate) fn door_for_datagrams(self, server: SocketAddr) -> io::Result<Door> {
        self.through(server, Relay::start_datagrams)
    }

    fn through(self, server: SocketAddr, start: fn(SocketAddr, Line) -> io::Result<Relay>) -> io::Result<Door> {
        let relay = self.line.map(|line| start(server, line)).transpose()?;
        Ok(Door {
            address: relay.as_ref().map_or(server, Relay::address),
            _relay: relay,
        })
    }

    /// A TCP connection, as the client and as the server see it.
    pub(crate) async fn sockets(self) -> io::Result<(TcpStream, TcpStream, Door)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let door = self.door(listener.local_addr()?)?;
        let (near, far) = tokio::join!(TcpStream::connect(door.address), listener.accept());
        let (near, (far, _)) = (near?, far?);
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        Ok((near, far, door))
    }
}
