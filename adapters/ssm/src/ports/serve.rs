//! The agent's end of a port.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf, split};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use unbroken_proto::ssm::body::{Flag, PortProperties};
use unbroken_proto::ssm::event::{Chunk, Ended};
use unbroken_proto::ssm::mux::MuxConfig;
use unbroken_proto::time::Duration;

use super::client::{carry, up};
use crate::session::AgentSession;

/// So long what came before the end of a session may take to be written.
const LINGER: Duration = Duration::from_secs(10);

/// While so many bytes wait to be sent, nobody is told of connections that could not be made.
const MOST_FLAGS: usize = 64 << 10;

/// Connects a port session to where it leads, until it is over; returns as [`closed`](crate::Session::closed) does. `dial` makes one
/// connection there.
///
/// Each stream of a session that has many has a connection of its own. One that has not keeps its one connection until the client says that
/// it closed its own, and ends when the far side closes it.
pub async fn serve<D, F, T>(session: &AgentSession, dial: D) -> Option<Arc<Ended>>
where
    D: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<T>> + Send,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if let Some(established) = session.established().await {
        let is_forwarding = established
            .port
            .as_ref()
            .is_some_and(PortProperties::is_local_port_forwarding);
        match (established.is_multiplexed, is_forwarding) {
            (true, _) => serve_many(session, dial).await,
            (false, true) => serve_one(session, dial, None).await,
            (false, false) => match dial().await {
                Ok(target) => serve_one(session, dial, Some(target)).await,
                Err(_) => session.finish(),
            },
        }
    }
    session.closed().await
}

async fn serve_many<D, F, T>(session: &AgentSession, dial: D)
where
    D: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<T>> + Send,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let streams = session.streams(MuxConfig::default());
    let mut connections = JoinSet::new();
    while let Some(mut stream) = streams.accept().await {
        while connections.try_join_next().is_some() {}
        let (dial, session) = (dial.clone(), session.clone());
        connections.spawn(async move {
            match dial().await {
                Ok(mut target) => carry(&mut stream, &mut target).await,
                // A client that takes none of it is not told again and again.
                Err(_) if session.stats().queued_bytes < MOST_FLAGS => session.flag(Flag::ConnectToPortError),
                Err(_) => {}
            }
        });
    }
    // What came before the end is still written, to whoever reads it.
    let written = async { while connections.join_next().await.is_some() {} };
    let _nobody_reads = timeout(LINGER, written).await;
}

/// A connection to where the session leads.
struct Target<T> {
    writer: WriteHalf<T>,
    /// Ends when the far side closes.
    reading: JoinHandle<()>,
}

impl<T: AsyncRead + AsyncWrite + Send + 'static> Target<T> {
    fn new(session: &AgentSession, target: T) -> Target<T> {
        let (reader, writer) = split(target);
        let session = session.clone();
        let reading = tokio::spawn(async move {
            // An error is an end like any other.
            let _ = up(&session, reader).await;
        });
        Target { writer, reading }
    }
}

impl<T> Drop for Target<T> {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn serve_one<D, F, T>(session: &AgentSession, dial: D, first: Option<T>)
where
    D: Fn() -> F,
    F: Future<Output = io::Result<T>>,
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut target = first.map(|first| Target::new(session, first));
    loop {
        let ended = async {
            match &mut target {
                // The task is aborted only where it is dropped.
                Some(target) => drop((&mut target.reading).await),
                None => std::future::pending().await,
            }
        };
        let chunk = tokio::select! {
            chunk = session.read() => chunk,
            () = ended => return session.finish(),
        };
        match chunk {
            Some(Chunk::Output(bytes)) => {
                if target.is_none() {
                    match dial().await {
                        Ok(dialled) => target = Some(Target::new(session, dialled)),
                        Err(_) => return session.finish(),
                    }
                }
                if let Some(open) = &mut target
                    && !written(session, &mut open.writer, &bytes).await
                {
                    // What it said before it closed is still on its way.
                    let _says_more = timeout(LINGER, &mut open.reading).await;
                    return session.finish();
                }
            }
            Some(Chunk::Flag(Flag::DisconnectToPort)) => target = None,
            Some(_) => {}
            None => return,
        }
    }
}

/// Writes it all. `false`: it cannot be, or nobody read it and the session is over.
async fn written(session: &AgentSession, writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    let over = async {
        session.closed().await;
        sleep(LINGER).await;
    };
    tokio::select! {
        written = writer.write_all(bytes) => written.is_ok(),
        () = over => false,
    }
}
