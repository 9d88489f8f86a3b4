//! A stream of the peer's that leads to a target of this machine's network.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use unbroken_tokio::Stream;

use crate::pump::Over;
use crate::socket::Socket;
use crate::target::{CONNECTED, Reason, Target};

/// How long a target may take to answer.
const CONNECT: Duration = Duration::from_secs(20);

/// Whether the peer is told that the target is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// It hears only of what comes from the target.
    None,
    /// By a first message.
    First,
}

/// Connects the stream to the target, and carries bytes until both directions are over. If that cannot be, its peer is told why, and so is the
/// caller.
pub(crate) async fn carry(mut stream: Stream, target: &Target, confirmation: Confirmation) -> Result<Over, Reason> {
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    let socket = timeout(CONNECT, Socket::connect(target)).await.unwrap_or_else(late);
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => {
            let reason = Reason::of_connecting(&error);
            refuse(stream, reason);
            return Err(reason);
        }
    };
    if confirmation == Confirmation::First {
        // Whoever does not take it does not take what follows either.
        let _told = stream.sender().send(Bytes::from_static(CONNECTED)).await;
    }
    Ok(socket.pump(stream).await)
}

/// Gives the stream up, and says why.
pub(crate) fn refuse(stream: Stream, reason: Reason) {
    let (mut send, mut recv) = stream.split();
    let (_fits, _too) = (send.reset(reason.code()), recv.stop(reason.code()));
}
