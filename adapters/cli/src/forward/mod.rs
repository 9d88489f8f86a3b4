//! `unbroken forward`: what is accepted at one end is connected to a target at the other.

mod dynamic;
mod local;
mod remote;
mod socks;
pub(crate) mod spec;

use std::sync::Arc;

use tokio::task::JoinSet;
use unbroken_tokio::Session;

use crate::client;
use crate::config::{self, unless_given};
use crate::failure::Failure;
use crate::listener::Listener;
use crate::options::ports::Forward;
use crate::signals::Signals;

pub(crate) async fn run(mut options: Forward) -> Result<(), Failure> {
    let (endpoint, host) = config::resolve(&options.server, &mut options.client)?;
    let local = unless_given(options.local, host.local);
    let remote = unless_given(options.remote, host.remote);
    let dynamic = unless_given(options.dynamic, host.dynamic);
    if local.is_empty() && remote.is_empty() && dynamic.is_empty() {
        let what = "nothing to forward: -L, -R and -D say what, or local-forward, remote-forward and dynamic-forward in the configuration";
        return Err(Failure::Unable(what.into()));
    }
    // A port that is taken is found before a person is asked anything.
    let mut listeners = Vec::new();
    for forwarded in &local {
        listeners.push((
            Listener::bind_or_fail(&forwarded.bind).await?,
            Arc::new(forwarded.target.clone()),
        ));
    }
    let mut proxies = Vec::new();
    for bind in &dynamic {
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
    let over = match remote::listen(&session, remote).await {
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
