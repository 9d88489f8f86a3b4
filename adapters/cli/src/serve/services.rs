//! What a stream is connected to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use unbroken_tokio::Stream;

use super::offers::Offers;
use crate::pump::pump;
use crate::target::{Reason, Target};
use crate::unix::UnixStream;

/// How long a target may take to answer.
const CONNECT: Duration = Duration::from_secs(20);

/// Serves one stream, whatever comes of it: its peer is told.
pub(crate) async fn serve(stream: Stream, offers: Arc<Offers>) {
    let Some(target) = Target::of_label(stream.label()) else {
        return refuse(stream, Reason::Unknown);
    };
    if !offers.allow(&target) {
        return refuse(stream, Reason::NotAllowed);
    }
    let connected = match &target {
        Target::Echo => return echo(stream).await,
        Target::Tcp { host, port } => tcp(stream, host, *port).await,
        Target::Unix(path) => unix(stream, path).await,
    };
    if let Err((stream, error)) = connected {
        refuse(stream, Reason::of_connecting(&error));
    }
}

/// Gives the stream up, and says why.
fn refuse(stream: Stream, reason: Reason) {
    let (mut send, mut recv) = stream.split();
    let (_fits, _too) = (send.reset(reason.code()), recv.stop(reason.code()));
}

async fn in_time<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    timeout(CONNECT, connecting).await.unwrap_or_else(late)
}

async fn tcp(stream: Stream, host: &str, port: u16) -> Result<(), (Stream, io::Error)> {
    match in_time(TcpStream::connect((host, port))).await {
        Ok(socket) => {
            let _as_well_as_without = socket.set_nodelay(true);
            let (read, write) = socket.into_split();
            pump(stream, read, write).await;
            Ok(())
        }
        Err(error) => Err((stream, error)),
    }
}

async fn unix(stream: Stream, path: &str) -> Result<(), (Stream, io::Error)> {
    match in_time(UnixStream::connect(path)).await {
        Ok(socket) => {
            let (read, write) = socket.into_split();
            pump(stream, read, write).await;
            Ok(())
        }
        Err(error) => Err((stream, error)),
    }
}

async fn echo(stream: Stream) {
    let (mut send, mut recv) = stream.split();
    while let Ok(Some((bytes, message_end))) = recv.recv_chunk().await {
        let sent = match message_end {
            true => send.send(bytes).await,
            false => send.write_bytes(bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
    send.finish();
}
