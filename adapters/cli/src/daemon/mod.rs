//! `unbroken daemon`: holds the sessions of one account, for as long as there are any. ssh lets in who may talk to it.

pub(crate) mod place;
pub(crate) mod reach;
mod words;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use unbroken_tokio::proto::ServerConfig;
use unbroken_tokio::proto::security::{ServerAuth, StaticKey};
use unbroken_tokio::proto::server::Drain;
use unbroken_tokio::{Compat, Connected, Framed, Server};

use self::place::Place;
pub(crate) use self::words::MARK;
use self::words::READY;
use crate::admin::{Admin, socket};
use crate::client::LIFETIME;
use crate::failure::Failure;
use crate::identity;
use crate::serve::{self, Host, Offers, services};
use crate::signals::Signals;
use crate::terminal::Owner;

/// So long there may be nothing to hold, as it is at the beginning.
const IDLE: Duration = Duration::from_secs(3);
/// A connection counts for so long: it takes some round trips until there is a stream on it.
const BEGINNING: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(500);
/// How long clients have to leave when it is told to end.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run() -> Result<(), Failure> {
    // The login that started it may end.
    #[cfg(unix)]
    let _leads_already = rustix::process::setsid();
    let place = Place::new()?;
    let (listener, file) = socket::listen(Some(&place.socket())).await?;
    let mut config = ServerConfig::new(ServerAuth::key(key(&place)?));
    config.session.detached_lifetime = LIFETIME;
    let mut server = Server::new(config).map_err(Failure::unable("cannot serve"))?;
    let host = Arc::new(Host::new(Offers::everything(), Admin::new(server.handle())));
    let admin = serve::open_admin(Some(&place.admin()), &host.admin).await?;
    say_ready().await?;
    let mut end = Signals::new()?;
    let (mut tick, mut held) = (tokio::time::interval(LOOK), Instant::now());
    let within = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((connection, _)) => {
                    let (read, write) = connection.into_split();
                    let connection = Connected::ordered(Framed::accepted(Compat(tokio::io::join(read, write))));
                    let (server, in_use) = (Arc::clone(server.handle()), host.in_use());
                    tokio::spawn(async move {
                        let mut serving = pin!(server.serve(connection));
                        if timeout(BEGINNING, &mut serving).await.is_err() {
                            drop(in_use);
                            serving.await;
                        }
                    });
                }
                Err(error) => {
                    eprintln!("unbroken: {error}");
                    tokio::time::sleep(LOOK).await;
                }
            },
            accepted = server.accept() => {
                let guest = host.admin.enter(&accepted.session, accepted.request.client_key, None);
                tokio::spawn(services::serve(Arc::clone(&host), accepted.session, guest, Owner::Account));
            }
            _ = tick.tick() => {
                if host.is_in_use() {
                    held = Instant::now();
                } else if held.elapsed() >= IDLE {
                    break DRAIN;
                }
            }
            () = end.end() => break DRAIN,
            within = host.admin.drain_asked() => break within,
        }
    };
    // Whoever comes now starts another.
    let lock = place.lock()?;
    drop((listener, file, admin));
    drop(lock);
    tokio::select! {
        _ = server.handle().drain(Drain::within(within)) => host.admin.said_goodbye().await,
        () = end.end() => {}
    }
    Ok(())
}

/// The key of all daemons here. Sessions of one that is gone recognise the next by it, and hear that they are over.
fn key(place: &Place) -> Result<StaticKey, Failure> {
    let path = place.key();
    if !path.exists() {
        identity::new_key(&path)?;
    }
    identity::keys::load_key(&path)
}

async fn say_ready() -> Result<(), Failure> {
    let mut output = tokio::io::stdout();
    let said = output.write_all(format!("{READY}\n").as_bytes()).await;
    said.map_err(Failure::unable("standard output"))?;
    output.flush().await.map_err(Failure::unable("standard output"))
}
