//! `unbroken forward`: what is accepted at one end is connected to a target at the other.

mod dynamic;
mod local;
mod remote;
mod socks;
pub(crate) mod spec;

use std::sync::Arc;

use tokio::task::JoinSet;
use unbroken_tokio::Session;

use crate::client::{self, Endpoint};
use crate::failure::Failure;
use crate::listener::Listener;
use crate::options::ports::Forward;
use crate::signals::Signals;

pub(crate) async fn run(options: Forward) -> Result<(), Failure> {
    let endpoint = Endpoint::new(&options.server, &options.client)?;
    // A port that is taken is found before a person is asked anything.
    let mut listeners = Vec::new();
    for forwarded in &options.local {
        listeners.push((
            Listener::bind_or_fail(&forwarded.bind).await?,
            Arc::new(forwarded.target.clone()),
        ));
    }
    let mut proxies = Vec::new();
    for bind in &options.dynamic {
        proxies.push(Listener::bind_or_fail(bind).await?);
    }
    let session = client::open(&endpoint, &options.client).await?;
    let mut tasks = JoinSet::new();
    for (listener, target) in listeners {
        eprintln!("unbroken: {listener} is connected to {target}");
        tasks.spawn(local::accept(listener, target, session.clone()));
    }
    for listener in proxies {
        eprintln!("unbroken: {listener} is a SOCKS5 proxy");
        tasks.spawn(dynamic::accept(listener, session.clone()));
    }
    let over = match remote::listen(&session, options.remote).await {
        Ok(places) => {
            tasks.spawn(remote::accept(session.clone(), places));
            until_over(&session, &endpoint.server).await
        }
        Err(refused) => {
            client::leave(&session).await;
            Err(refused)
        }
    };
    // Sockets at paths go with their listeners.
    tasks.shutdown().await;
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
        () = client::leave(session) => {}
        () = signals.end() => {}
    }
    Ok(())
}
