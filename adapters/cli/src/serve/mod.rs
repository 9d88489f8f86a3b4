//! `unbroken serve`: lets clients in, and connects their streams to what they may have.

mod admission;
mod host;
mod listeners;
mod offers;
pub(crate) mod pattern;
pub(crate) mod services;

use std::path::Path;
use std::sync::Arc;

use unbroken_tokio::Server;
use unbroken_tokio::proto::server::Drain;
use unbroken_tokio::proto::{Duration, ServerConfig};

use self::admission::Admission;
pub(crate) use self::host::Host;
pub(crate) use self::offers::Offers;
use crate::admin::Admin;
use crate::admin::socket::{self, SocketFile};
use crate::client::LIFETIME;
use crate::config;
use crate::failure::Failure;
use crate::options::endpoints::Serve;
use crate::signals::Signals;
use crate::terminal::Owner;
use crate::trace::Records;

/// How long clients have to leave when the server is told to end.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(mut options: Serve) -> Result<(), Failure> {
    config::complete(&mut options)?;
    let admission = Arc::new(Admission::new(&options.keys)?);
    let offers = Offers::new(&options)?;
    let listeners = listeners::bind(&options).await?;
    let mut config = ServerConfig::new(admission.auth.clone());
    config.session.detached_lifetime = LIFETIME;
    let asked = Arc::clone(&admission);
    let server = Server::with_authorise(config, move |request| std::future::ready(asked.admit(&request)));
    let mut server = server.map_err(Failure::unable("cannot serve"))?;
    if let Some(folder) = &options.trace {
        let records = Records::create(folder)?;
        server.handle().trace(move |id| records.begin(id));
    }
    let host = Arc::new(Host::new(offers, Admin::new(server.handle())));
    let _socket = match &options.admin {
        Some(path) => Some(open_admin(path.as_deref(), &host.admin).await?),
        None => None,
    };
    for (listener, acceptor, shown) in listeners {
        server.listen(listener, acceptor);
        eprintln!("unbroken: listening at {shown}");
    }
    eprintln!("unbroken: the key of this server is {}", admission.key);
    let (mut end, mut reload) = (Signals::new()?, Signals::new()?);
    let within = loop {
        tokio::select! {
            accepted = server.accept() => {
                let key = accepted.request.client_key;
                let guest = host.admin.enter(&accepted.session, key, admission.name(key));
                let owner = accepted.session.peer_key().map_or(Owner::Account, Owner::Key);
                tokio::spawn(services::serve(Arc::clone(&host), accepted.session, guest, owner));
            }
            () = reload.reload() => admission.reload(),
            () = end.end() => break DRAIN,
            within = host.admin.drain_asked() => break within,
        }
    };
    server.stop_listening().await;
    eprintln!(
        "unbroken: waiting {} s for clients to leave; once more Ctrl-C leaves at once",
        within.as_secs()
    );
    tokio::select! {
        _ = server.handle().drain(Drain::within(within)) => host.admin.said_goodbye().await,
        () = end.end() => {}
    }
    Ok(())
}

/// Opens the admin socket.
pub(crate) async fn open_admin(path: Option<&Path>, admin: &Arc<Admin>) -> Result<SocketFile, Failure> {
    let (listener, file) = socket::listen(path).await?;
    tokio::spawn(crate::admin::serve(listener, Arc::clone(admin)));
    eprintln!("unbroken: the admin socket is {}", file.path().display());
    Ok(file)
}
