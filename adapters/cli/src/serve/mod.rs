//! `unbroken serve`: lets clients in, and connects their streams to what they may have.

mod admission;
mod listeners;
mod offers;
pub(crate) mod pattern;
mod services;

use std::sync::{Arc, Weak};

use unbroken_tokio::proto::server::Drain;
use unbroken_tokio::proto::{Duration, ServerConfig};
use unbroken_tokio::{Server, Session};

use self::admission::Admission;
pub(crate) use self::offers::Offers;
use crate::client::LIFETIME;
use crate::config;
use crate::failure::Failure;
use crate::options::endpoints::Serve;
use crate::signals::Signals;
use crate::terminal::{Owner, Terminals};

/// How long clients have to leave when the server is told to end.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(mut options: Serve) -> Result<(), Failure> {
    config::complete(&mut options)?;
    let admission = Arc::new(Admission::new(&options.keys)?);
    let offers = Arc::new(Offers::new(&options)?);
    let listeners = listeners::bind(&options).await?;
    let mut config = ServerConfig::new(admission.auth.clone());
    config.session.detached_lifetime = LIFETIME;
    let asked = Arc::clone(&admission);
    let server = Server::with_authorise(config, move |request| std::future::ready(asked.admit(&request)));
    let mut server = server.map_err(Failure::unable("cannot serve"))?;
    for (listener, acceptor, shown) in listeners {
        server.listen(listener, acceptor);
        eprintln!("unbroken: listening at {shown}");
    }
    eprintln!("unbroken: the key of this server is {}", admission.key);
    let terminals = Terminals::new();
    let (mut end, mut reload) = (Signals::new()?, Signals::new()?);
    loop {
        tokio::select! {
            accepted = server.accept() => {
                let owner = accepted.session.peer_key().map_or(Owner::Account, Owner::Key);
                tokio::spawn(session(accepted.session, owner, Arc::clone(&offers), terminals.clone(), Weak::new()));
            }
            () = reload.reload() => admission.reload(),
            () = end.end() => break,
        }
    }
    server.stop_listening().await;
    eprintln!(
        "unbroken: waiting {} s for clients to leave; once more Ctrl-C leaves at once",
        DRAIN.as_secs()
    );
    tokio::select! {
        _ = server.handle().drain(Drain::within(DRAIN)) => {}
        () = end.end() => {}
    }
    Ok(())
}

/// Serves the streams of one session, for as long as it lives. `in_use` is held as often as there are such streams.
pub(crate) async fn session(
    session: Session,
    owner: Owner,
    offers: Arc<Offers>,
    terminals: Terminals,
    in_use: Weak<()>,
) {
    while let Some(stream) = session.accept().await {
        let (session, offers, terminals, in_use) = (
            session.clone(),
            Arc::clone(&offers),
            terminals.clone(),
            in_use.upgrade(),
        );
        tokio::spawn(async move {
            services::serve(stream, session, offers, terminals, owner).await;
            drop(in_use);
        });
    }
}
