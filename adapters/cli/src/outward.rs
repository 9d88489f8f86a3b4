//! A stream of the peer's that leads to a target of this machine's network.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use unbroken_tokio::Stream;

use crate::pump::{Over, Untaken, pump};
use crate::target::{Reason, Target};
use crate::unix::UnixStream;

/// How long a target may take to answer.
const CONNECT: Duration = Duration::from_secs(20);

/// Connects the stream to the target, and carries bytes until both directions are over. If that cannot be, its peer is told why, and so is the
/// caller.
pub(crate) async fn carry(stream: Stream, target: &Target) -> Result<Over, Reason> {
    let connected = match target {
        Target::Tcp { host, port } => tcp(stream, host, *port).await,
        Target::Unix(path) => unix(stream, path).await,
        Target::Echo => Err((stream, io::ErrorKind::Unsupported.into())),
    };
    connected.map_err(|(stream, error)| {
        let reason = Reason::of_connecting(&error);
        refuse(stream, reason);
        reason
    })
}

/// Gives the stream up, and says why.
pub(crate) fn refuse(stream: Stream, reason: Reason) {
    let (mut send, mut recv) = stream.split();
    let (_fits, _too) = (send.reset(reason.code()), recv.stop(reason.code()));
}

async fn in_time<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    timeout(CONNECT, connecting).await.unwrap_or_else(late)
}

async fn tcp(stream: Stream, host: &str, port: u16) -> Result<Over, (Stream, io::Error)> {
    match in_time(TcpStream::connect((host, port))).await {
        Ok(socket) => {
            let _as_well_as_without = socket.set_nodelay(true);
            let (read, write) = socket.into_split();
            Ok(pump(stream, read, write, Untaken::EndsThatWay).await)
        }
        Err(error) => Err((stream, error)),
    }
}

async fn unix(stream: Stream, path: &str) -> Result<Over, (Stream, io::Error)> {
    match in_time(UnixStream::connect(path)).await {
        Ok(socket) => {
            let (read, write) = socket.into_split();
            Ok(pump(stream, read, write, Untaken::EndsThatWay).await)
        }
        Err(error) => Err((stream, error)),
    }
}
