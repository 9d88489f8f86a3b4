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

/// Carries bytes both ways until each direction has come to its end, which is passed on by itself: the other one goes on.
/// If one of them breaks, both are given up.
pub(crate) async fn pump(stream: Stream, read: impl AsyncRead + Unpin, write: impl AsyncWrite + Unpin) -> Over {
    let (mut send, mut recv) = stream.split();
    let over = {
        let (out, back) = (outward(&mut send, read), inward(&mut recv, write));
        tokio::try_join!(out, back).map_or_else(|over| over, |_| Over::Whole)
    };
    if let Over::Local(_) = over {
        let code = Reason::Broken.code();
        let (_fits, _too) = (send.reset(code), recv.stop(code));
    }
    over
}

async fn outward(send: &mut SendHalf, mut read: impl AsyncRead + Unpin) -> Result<(), Over> {
    let mut piece = BytesMut::new();
    loop {
        piece.reserve(PIECE);
        if read.read_buf(&mut piece).await.map_err(Over::Local)? == 0 {
            send.finish();
            return Ok(());
        }
        match send.write_bytes(piece.split().freeze()).await {
            Ok(()) => {}
            // Nobody reads it any more; what comes from there goes on.
            Err(error) if error.reason == SendRefusal::Stopped(0) => return Ok(()),
            Err(error) => return Err(refused(error.reason)),
        }
    }
}

fn refused(reason: SendRefusal) -> Over {
    match reason {
        SendRefusal::Stopped(code) => Over::Reset(Reason::of_code(code)),
        _ => Over::SessionEnded,
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
