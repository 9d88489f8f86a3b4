//! A connection to something on this machine or its network.

use std::io;

use tokio::net::TcpStream;
use unbroken_tokio::Stream;

use crate::pump::{Over, Untaken, pump};
use crate::target::Target;
use crate::unix::UnixStream;

/// One that was accepted or made.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to a target of this machine's network.
    pub(crate) async fn connect(target: &Target) -> io::Result<Socket> {
        match target {
            Target::Tcp { host, port } => TcpStream::connect((host.as_str(), *port)).await.map(Socket::tcp),
            Target::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
            Target::Echo => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn tcp(socket: TcpStream) -> Socket {
        let _as_well_as_without = socket.set_nodelay(true);
        Socket::Tcp(socket)
    }

    /// Carries bytes between it and a stream, until both directions are over.
    pub(crate) async fn pump(self, stream: Stream) -> Over {
        match self {
            Socket::Tcp(socket) => {
                let (read, write) = socket.into_split();
                pump(stream, read, write, Untaken::EndsThatWay).await
            }
            Socket::Unix(socket) => {
                let (read, write) = socket.into_split();
                pump(stream, read, write, Untaken::EndsThatWay).await
            }
        }
    }
}
