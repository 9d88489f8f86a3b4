//! The client's end of a port.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional, split};
use tokio::task::JoinSet;
use tokio::time::sleep;
use unbroken_proto::ssm::body::Flag;
use unbroken_proto::ssm::event::{Chunk, Ended};
use unbroken_proto::ssm::mux::MuxConfig;
use unbroken_proto::time::Duration;

use super::listener::Listener;
use crate::end::End;
use crate::session::{ClientSession, Over, Session};
use crate::streams::Streams;

/// Bytes read of a local connection at once.
const READ: usize = 32 << 10;
/// So long nothing is accepted after that has failed.
const PAUSE: Duration = Duration::from_millis(100);
/// How often an agent that wants it is told that we are there; the real programs do so every 10 s.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Carries the connections that `listener` accepts over the session, until that is over; returns as
/// [`closed`](crate::Session::closed) does. To end it from here, [`finish`](crate::Session::finish) the session.
///
/// Between two ends that speak smux there may be 1,024 connections at once ([`MuxConfig::max_streams`]); others are closed. With an agent
/// that has none they have their turns one after the other. A connection is closed both ways when one side closes it: the protocol has
/// no half-open ones.
pub async fn listen<L: Listener>(session: &ClientSession, listener: &L) -> Option<Arc<Ended>> {
    if let Some(established) = session.established().await {
        let serving = async {
            match established.is_multiplexed {
                true => {
                    let keepalive = established.expects_keepalive.then_some(KEEPALIVE);
                    let streams = session.streams(MuxConfig::default().with_keepalive(keepalive));
                    listen_for_many(&streams, listener).await
                }
                false => listen_for_one(session, listener).await,
            }
        };
        tokio::select! {
            () = serving => {}
            _ = session.closed() => {}
        }
    }
    session.closed().await
}

async fn accept<L: Listener>(listener: &L) -> L::Io {
    loop {
        match listener.accept().await {
            Ok(local) => return local,
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn listen_for_many<L: Listener, R: End>(streams: &Streams<R>, listener: &L) {
    let mut connections = JoinSet::new();
    loop {
        let mut local = accept(listener).await;
        while connections.try_join_next().is_some() {}
        // Without room for another one it is closed.
        if let Ok(mut stream) = streams.open() {
            connections.spawn(async move {
                // Either side's error is the end of both.
                let _ = copy_bidirectional(&mut local, &mut stream).await;
            });
        }
    }
}

async fn listen_for_one<L: Listener>(session: &ClientSession, listener: &L) {
    loop {
        let local = accept(listener).await;
        let Ok(()) = carry(session, local).await else { return };
        session.flag(Flag::DisconnectToPort);
        // What is on its way now was for the connection that is gone, not for the next.
        let flushed = session.flush();
        let dropped = async { while session.read().await.is_some() {} };
        tokio::select! {
            _ = flushed => {}
            () = dropped => return,
        }
    }
}

/// Carries one stream of bytes over a session until either ends. An end of what is read from `local` is not told: see
/// [`pump`].
async fn carry<T: AsyncRead + AsyncWrite>(session: &ClientSession, local: T) -> Result<(), Over> {
    let (reader, writer) = split(local);
    tokio::select! {
        up = upward(session, reader) => up,
        down = downward(session, writer) => down,
    }
}

/// Carries one stream of bytes: what ssh does with its `ProxyCommand`. Returns when `reader` is at its end and all of it has arrived, when
/// `writer` breaks, or when the session is over and everything that came was written.
///
/// # Errors
/// Of `reader` or `writer`.
pub async fn pump(
    session: &ClientSession,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let up = async {
        up(session, reader).await?;
        // If the session is over, the other direction ends, too.
        let _ = session.flush().await;
        Ok(())
    };
    tokio::select! {
        up = up => up,
        down = down(session, writer) => down,
    }
}

async fn upward(session: &ClientSession, reader: impl AsyncRead + Unpin) -> Result<(), Over> {
    match up(session, reader).await {
        _ if session.ended().is_some() => Err(Over),
        // A local connection that broke is one that is closed.
        _ => Ok(()),
    }
}

async fn downward(session: &ClientSession, writer: impl AsyncWrite + Unpin) -> Result<(), Over> {
    match down(session, writer).await {
        Ok(()) => Err(Over),
        Err(_) => Ok(()),
    }
}

/// Sends what is read, until there is no more.
pub(super) async fn up<R: End>(session: &Session<R>, mut reader: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        if reader.read_buf(&mut buffer).await? == 0 || session.write(buffer.split().freeze()).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes what comes, until the session is over.
async fn down(session: &ClientSession, mut writer: impl AsyncWrite + Unpin) -> io::Result<()> {
    while let Some(chunk) = session.read().await {
        if let Chunk::Output(bytes) = chunk {
            writer.write_all(&bytes).await?;
            writer.flush().await?;
        }
    }
    Ok(())
}
