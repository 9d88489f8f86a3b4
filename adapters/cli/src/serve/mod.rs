//! `unbroken serve`: lets clients in, and connects their streams to what they may have.

mod admission;
mod listeners;
mod offers;
pub(crate) mod pattern;
mod services;

use std::path::Path;
use std::sync::Arc;

use unbroken_tokio::proto::server::Drain;
use unbroken_tokio::proto::{Duration, ServerConfig};
use unbroken_tokio::{Server, Session};

use self::admission::Admission;
use self::offers::Offers;
use crate::admin::socket::{self, SocketFile};
use crate::admin::{self, Admin, Guest};
use crate::client::LIFETIME;
use crate::failure::Failure;
use crate::options::endpoints::Serve;
use crate::signals::Signals;

/// How long clients have to leave when the server is told to end.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: Serve) -> Result<(), Failure> {
    let admission = Arc::new(Admission::new(&options.keys)?);
    let offers = Arc::new(Offers::new(&options)?);
    let listeners = listeners::bind(&options).await?;
    let mut config = ServerConfig::new(admission.auth.clone());
    config.session.detached_lifetime = LIFETIME;
    let asked = Arc::clone(&admission);
    let server = Server::with_authorise(config, move |request| std::future::ready(asked.admit(&request)));
    let mut server = server.map_err(Failure::unable("cannot serve"))?;
    let admin = Admin::new(server.handle());
    let _socket = match &options.admin {
        Some(path) => Some(open_admin(path.as_deref(), &admin).await?),
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
                let guest = admin.enter(&accepted.session, key, admission.name(key));
                tokio::spawn(session(accepted.session, guest, Arc::clone(&offers)));
            }
            () = reload.reload() => admission.reload(),
            () = end.end() => break DRAIN,
            within = admin.drain_asked() => break within,
        }
    };
    server.stop_listening().await;
    eprintln!(
        "unbroken: waiting {} s for clients to leave; once more Ctrl-C leaves at once",
        within.as_secs()
    );
    tokio::select! {
        _ = server.handle().drain(Drain::within(within)) => admin.said_goodbye().await,
        () = end.end() => {}
    }
    Ok(())
}

/// Opens the admin socket.
async fn open_admin(path: Option<&Path>, admin: &Arc<Admin>) -> Result<SocketFile, Failure> {
    let (listener, file) = socket::listen(path).await?;
    tokio::spawn(admin::serve(listener, Arc::clone(admin)));
    eprintln!("unbroken: the admin socket is {}", file.path().display());
    Ok(file)
}

/// Serves the streams of one session, for as long as it lives.
async fn session(session: Session, guest: Guest, offers: Arc<Offers>) {
    while let Some(stream) = session.accept().await {
        let (offers, entry) = (Arc::clone(&offers), Arc::clone(&guest.entry));
        tokio::spawn(services::serve(stream, session.clone(), offers, entry));
    }
}
