//! Bytes between a stream of a session and something on this machine, until both directions are over.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use unbroken_tokio::proto::error::SendRefusal;
use unbroken_tokio::{RecvError, RecvHalf, SendHalf, Stream};

use crate::target::Reason;

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// How the two directions of a stream ended.
#[derive(Debug)]
pub(crate) enum Over {
    /// Both to their end.
    Whole,
    /// The other side gave the stream up.
    Reset(Option<Reason>),
    /// What is on this machine broke.
    Local(io::Error),
    /// The session ended first.
    SessionEnded,
}

/// What it means that what comes on the stream is not taken any more on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// Nothing is left to do: nobody reads our standard output.
    EndsAll,
    /// What goes the other way goes on: who answers and closes does not read the rest of the question.
    EndsThatWay,
}

/// Carries bytes both ways until each direction has come to its end, which is passed on by itself: the other one goes on.
/// What was read before something breaks arrives all the same, as far as it goes.
pub(crate) async fn pump(
    stream: Stream,
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    untaken: Untaken,
) -> Over {
    let (mut send, mut recv) = stream.split();
    let back = async {
        match inward(&mut recv, write).await {
            Err(Over::Local(_)) if untaken == Untaken::EndsThatWay => {
                let _zero_fits = recv.stop(0);
                Ok(())
            }
            ended => ended,
        }
    };
    match tokio::try_join!(outward(&mut send, read, untaken), back) {
        Ok((None, ())) => Over::Whole,
        Ok((reason, ())) => Over::Reset(reason),
        Err(over) => {
            if let Over::Local(_) = over {
                let _fits = recv.stop(Reason::Broken.code());
            }
            over
        }
    }
}

/// Why the other side reads no more, if it said so.
async fn outward(
    send: &mut SendHalf,
    mut read: impl AsyncRead + Unpin,
    untaken: Untaken,
) -> Result<Option<Reason>, Over> {
    let mut piece = BytesMut::new();
    loop {
        piece.reserve(PIECE);
        let came = read.read_buf(&mut piece).await;
        if matches!(came, Ok(0) | Err(_)) {
            // A reset in the place of the end would take with it what is on its way.
            send.finish();
            return came.map(|_| None).map_err(Over::Local);
        }
        match send
            .write_bytes(piece.split().freeze())
            .await
            .map_err(|error| error.reason)
        {
            Ok(()) => {}
            // What comes from there goes on.
            Err(SendRefusal::Stopped(code)) => {
                if untaken == Untaken::EndsThatWay {
                    drain(&mut read, &mut piece).await;
                }
                return Ok(Reason::of_code(code));
            }
            Err(_) => return Err(Over::SessionEnded),
        }
    }
}

/// Reads on to the end. A socket that is closed with something unread resets its peer, who loses what it has not read itself.
async fn drain(read: &mut (impl AsyncRead + Unpin), piece: &mut BytesMut) {
    while matches!(read.read_buf(piece).await, Ok(1..)) {
        piece.clear();
    }
}

async fn inward(recv: &mut RecvHalf, mut write: impl AsyncWrite + Unpin) -> Result<(), Over> {
    loop {
        match recv.recv_chunk().await {
            Ok(Some((bytes, _))) => {
                write.write_all(&bytes).await.map_err(Over::Local)?;
                write.flush().await.map_err(Over::Local)?;
            }
            Ok(None) => {
                // Whoever does not take the end, took all that came before it.
                let _closed_already = write.shutdown().await;
                return Ok(());
            }
            Err(RecvError::Reset(code)) => return Err(Over::Reset(Reason::of_code(code))),
            Err(_) => return Err(Over::SessionEnded),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests;
