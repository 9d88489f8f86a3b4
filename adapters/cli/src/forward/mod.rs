//! `unbroken forward`: what is accepted at one end is connected to a target at the other.

mod dynamic;
mod local;
mod remote;
mod socks;
pub(crate) mod spec;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use unbroken_tokio::Session;

use self::spec::Forwarded;
use crate::client;
use crate::config::{self, unless_given};
use crate::failure::Failure;
use crate::listener::Listener;
use crate::notes::{self, Tell};
use crate::options::ports::{Forward, Ports};
use crate::signals::Signals;
use crate::target::Target;

pub(crate) async fn run(options: Forward) -> Result<(), Failure> {
    let (mut client, given) = (options.client, options.ports);
    let (endpoint, host) = config::resolve(&options.server, &mut client)?;
    let ports = Ports {
        local: unless_given(given.local, host.local),
        remote: unless_given(given.remote, host.remote),
        dynamic: unless_given(given.dynamic, host.dynamic),
    };
    if ports.is_empty() {
        let what = "nothing to forward: -L, -R and -D say what, or local-forward, remote-forward and dynamic-forward in the configuration";
        return Err(Failure::Unable(what.into()));
    }
    let listening = Listening::new(&ports).await?;
    let session = client::open(&endpoint, &client).await?;
    match listening
        .forward(&session, ports.remote, notes::on_standard_error())
        .await
    {
        Ok(mut forwarding) => {
            let over = until_over(&session, &endpoint.server, client::GOODBYE).await;
            // Sockets at paths go with their listeners.
            forwarding.shutdown().await;
            over
        }
        Err(refused) => {
            client::leave(&session).await;
            Err(refused)
        }
    }
}

/// Places at this end where connections are accepted, which are found to be free before a person is asked anything.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    local: Vec<(Listener, Arc<Target>)>,
    dynamic: Vec<Listener>,
}

impl Listening {
    /// # Errors
    /// A place is taken.
    pub(crate) async fn new(ports: &Ports) -> Result<Listening, Failure> {
        let mut listening = Listening::default();
        for forwarded in &ports.local {
            let listener = Listener::bind_or_fail(&forwarded.bind).await?;
            listening.local.push((listener, Arc::new(forwarded.target.clone())));
        }
        for bind in &ports.dynamic {
            listening.dynamic.push(Listener::bind_or_fail(bind).await?);
        }
        Ok(listening)
    }

    /// Forwards on a session, for as long as the tasks are not dropped. The peer's streams are theirs; notes among them are told.
    ///
    /// # Errors
    /// The server does not listen where it should.
    pub(crate) async fn forward(
        self,
        session: &Session,
        remote: Vec<Forwarded>,
        tell: Tell,
    ) -> Result<JoinSet<()>, Failure> {
        let mut tasks = JoinSet::new();
        for (listener, target) in self.local {
            eprintln!("unbroken: {listener} is connected to {target}");
            tasks.spawn(local::accept(listener, target, session.clone()));
        }
        for listener in self.dynamic {
            eprintln!("unbroken: {listener} is a SOCKS5 proxy");
            tasks.spawn(dynamic::accept(listener, session.clone()));
        }
        let places = remote::listen(session, remote).await?;
        tasks.spawn(remote::accept(session.clone(), places, tell));
        Ok(tasks)
    }
}

/// Waits for the session's end, or closes it when the command is to end.
/// `goodbye`: how long the server may take to hear of it.
pub(crate) async fn until_over(session: &Session, server: &str, goodbye: Duration) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    tokio::select! {
        ended = client::ended(session, server) => return Err(ended),
        () = signals.end() => {}
    }
    tokio::select! {
        () = client::leave_within(session, goodbye) => {}
        () = signals.end() => {}
    }
    Ok(())
}
