//! The client's end of a port.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use unbroken_proto::ssm::body::Flag;
use unbroken_proto::ssm::event::{Chunk, Ended};
use unbroken_proto::ssm::mux::MuxConfig;
use unbroken_proto::time::Duration;

use super::listener::Listener;
use crate::end::End;
use crate::session::{ClientSession, Session};
use crate::streams::Streams;

/// Bytes read of a local connection at once.
const READ: usize = 32 << 10;
/// So long nothing is accepted after that has failed.
const PAUSE: Duration = Duration::from_millis(100);
/// So long nobody may read what came before the end of a session; of a session with many connections, so long they may take to be done.
const LINGER: Duration = Duration::from_secs(10);
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
        match established.is_multiplexed {
            true => {
                let keepalive = established.expects_keepalive.then_some(KEEPALIVE);
                let streams = session.streams(MuxConfig::default().with_keepalive(keepalive));
                listen_for_many(session, &streams, listener).await;
            }
            false => listen_for_one(session, listener).await,
        }
    }
    session.closed().await
}

/// The next connection; `None`: the session is over.
async fn next<L: Listener>(session: &ClientSession, listener: &L) -> Option<L::Io> {
    tokio::select! {
        local = accept(listener) => Some(local),
        _ = session.closed() => None,
    }
}

async fn accept<L: Listener>(listener: &L) -> L::Io {
    loop {
        match listener.accept().await {
            Ok(local) => return local,
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn listen_for_many<L: Listener, R: End>(session: &ClientSession, streams: &Streams<R>, listener: &L) {
    let mut connections = JoinSet::new();
    while let Some(mut local) = next(session, listener).await {
        while connections.try_join_next().is_some() {}
        // Without room for another one it is closed.
        if let Ok(mut stream) = streams.open() {
            connections.spawn(async move {
                carry(&mut local, &mut stream).await;
            });
        }
    }
    // What came before the end is still written, to whoever reads it.
    let written = async { while connections.join_next().await.is_some() {} };
    let _nobody_reads = timeout(LINGER, written).await;
}

async fn listen_for_one<L: Listener>(session: &ClientSession, listener: &L) {
    while let Some(local) = next(session, listener).await {
        let (reader, writer) = split(local);
        // A local connection that broke is one that is closed.
        let _broken = pump_with(session, reader, writer, async {}).await;
        if session.ended().is_some() {
            return;
        }
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

/// Carries one stream of bytes: what ssh does with its `ProxyCommand`. Returns when `reader` is at its end and all of it has arrived, when
/// `writer` breaks, or when the session is over and everything that came was written.
///
/// # Errors
/// Of `reader` or `writer`; or nobody read for 10 s what came before the end ([`io::ErrorKind::TimedOut`]).
pub async fn pump(
    session: &ClientSession,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    // Where the session is over meanwhile, the other direction ends, too.
    let arrived = async { drop(session.flush().await) };
    pump_with(session, reader, writer, arrived).await
}

/// As [`pump`]; `at_end`: what is waited for when `reader` is at its end.
async fn pump_with(
    session: &ClientSession,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    at_end: impl Future<Output = ()>,
) -> io::Result<()> {
    let written = AtomicU64::new(0);
    let mut down = pin!(down(session, writer, &written));
    let up = async {
        up(session, reader).await?;
        at_end.await;
        io::Result::Ok(())
    };
    tokio::select! {
        up = up => up?,
        down = &mut down => return down,
    }
    if session.ended().is_none() {
        return Ok(());
    }
    // What came before the end is still written, to whoever reads it.
    loop {
        let before = written.load(Ordering::Relaxed);
        match timeout(LINGER, &mut down).await {
            Ok(done) => return done,
            Err(_) if written.load(Ordering::Relaxed) > before => {}
            Err(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "nobody read what came before the end",
                ));
            }
        }
    }
}

/// Carries bytes both ways until either side is at its end, which is the end of both: smux has no half-open streams.
pub(super) async fn carry(
    one: &mut (impl AsyncRead + AsyncWrite + Unpin),
    other: &mut (impl AsyncRead + AsyncWrite + Unpin),
) {
    let ((mut one_reads, mut one_writes), (mut other_reads, mut other_writes)) = (split(one), split(other));
    // An error is an end, too.
    tokio::select! {
        _ = copy(&mut one_reads, &mut other_writes) => {}
        _ = copy(&mut other_reads, &mut one_writes) => {}
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

/// Writes what comes, until the session is over, and counts the bytes.
async fn down(session: &ClientSession, mut writer: impl AsyncWrite + Unpin, written: &AtomicU64) -> io::Result<()> {
    while let Some(chunk) = session.read().await {
        if let Chunk::Output(bytes) = chunk {
            for piece in bytes.chunks(READ) {
                writer.write_all(piece).await?;
                written.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            writer.flush().await?;
        }
    }
    Ok(())
}
