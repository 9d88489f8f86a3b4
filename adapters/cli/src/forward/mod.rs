//! `unbroken forward`: what is accepted here is connected to a target there.

mod listener;
mod spec;

use std::sync::Arc;

use tokio::task::JoinSet;
use unbroken_tokio::Session;

pub(crate) use self::spec::Local;

use self::listener::{Accepted, Listener};
use crate::client;
use crate::failure::Failure;
use crate::options::ports::Forward;
use crate::pump::{Over, pump};
use crate::signals::Signals;
use crate::target::Target;

pub(crate) async fn run(options: Forward) -> Result<(), Failure> {
    // A port that is taken is found before a person is asked anything.
    let mut listeners = Vec::new();
    for local in &options.local {
        listeners.push((Listener::bind(&local.bind).await?, Arc::new(local.target.clone())));
    }
    let session = client::open(&options.server, &options.client).await?;
    let mut accepting = JoinSet::new();
    for (listener, target) in listeners {
        eprintln!("unbroken: {listener} is connected to {target}");
        accepting.spawn(accept(listener, target, session.clone()));
    }
    let over = until_over(&session, &options.server).await;
    // Sockets at paths go with their listeners.
    accepting.shutdown().await;
    over
}

/// Waits for the session's end, or closes it when the command is to end.
async fn until_over(session: &Session, server: &str) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    tokio::select! {
        ended = client::ended(session, server) => return Err(ended),
        () = signals.end() => {}
    }
    tokio::select! {
        left = client::leave(session) => left,
        () = signals.end() => Ok(()),
    }
}

async fn accept(listener: Listener, target: Arc<Target>, session: Session) {
    while session.ended().is_none() {
        match listener.accept().await {
            Ok(accepted) => {
                tokio::spawn(carry(accepted, Arc::clone(&target), session.clone()));
            }
            // The system is out of files, or the connection is gone already.
            Err(error) => {
                eprintln!("unbroken: cannot accept at {listener}: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn carry(accepted: Accepted, target: Arc<Target>, session: Session) {
    let stream = match client::open_stream(&session, &target).await {
        Ok(stream) => stream,
        Err(failure) => return failure.report(),
    };
    let over = match accepted {
        Accepted::Tcp(socket) => {
            let (read, write) = socket.into_split();
            pump(stream, read, write).await
        }
        Accepted::Unix(socket) => {
            let (read, write) = socket.into_split();
            pump(stream, read, write).await
        }
    };
    match over {
        Over::Reset(Some(reason)) => eprintln!("unbroken: {target}: {reason}"),
        Over::Local(error) => eprintln!("unbroken: {target}: the connection here broke: {error}"),
        Over::Whole | Over::Reset(None) | Over::SessionEnded => {}
    }
}
