//! How long a server takes to have its sessions again, and how much room they have.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_channel::mpsc;
use futures_util::StreamExt;
use tokio::runtime::Runtime;
use unbroken_store::Embedded;
use unbroken_tokio::proto::ServerConfig;
use unbroken_tokio::proto::security::AtRest;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{Compat, Connected, Framed, Server, Session, connect_with};

use crate::pair::{client_config, server_config};

/// How many sessions begin at the same time.
const AT_ONCE: usize = 100;

fn durable() -> ServerConfig {
    let mut config = server_config();
    config.session.durable = Some(AtRest::sealed([6; 32]));
    config
}

pub(crate) fn run(folder: &Path) {
    let given = std::env::var("SESSIONS").ok();
    let count: usize = given.map_or(10_000, |count| count.parse().unwrap());
    crate::fresh(folder, |folder| {
        let begin = Instant::now();
        fill(folder, count);
        println!(
            "{count} sessions, each with a stream and a message of 64 bytes: made in {:.1?}",
            begin.elapsed()
        );
        let on_disk: u64 = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        println!("on the disk: {} bytes for each", on_disk / count as u64);
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let begin = Instant::now();
            let store = Embedded::open(folder).unwrap();
            let opened = begin.elapsed();
            let mut server = Server::new(durable()).unwrap();
            let failed = server.restore(Arc::new(store)).await.unwrap();
            assert!(failed.is_empty(), "{failed:?}");
            let restored = begin.elapsed() - opened;
            for _ in 0..count {
                assert_eq!(server.accept().await.session.restored().len(), 1);
            }
            println!("the store is open after {opened:.2?}; all are restored {restored:.2?} later");
        });
        runtime.shutdown_timeout(Duration::from_secs(60));
    });
}

/// A server whose process dies with so many sessions.
fn fill(folder: &Path, count: usize) {
    let (server, clients) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    // Pipes within the process: there are not as many sockets.
    let (arrivals, mut arrived) = mpsc::unbounded();
    let (ready, mut is_ready) = mpsc::unbounded::<Session>();
    let store = Embedded::open(folder).unwrap();
    server.spawn(async move {
        let mut server = Server::new(durable()).unwrap();
        assert!(server.restore(Arc::new(store)).await.unwrap().is_empty());
        loop {
            tokio::select! {
                Some(pipe) = arrived.next() => server.serve(pipe),
                accepted = server.accept() => {
                    tokio::spawn(take(accepted.session, ready.clone()));
                }
            }
        }
    });
    let dial = || {
        let arrivals = arrivals.clone();
        let connector = move |_| {
            let (local, remote) = tokio::io::duplex(8_192);
            let _is_gone = arrivals.unbounded_send(Connected::ordered(Framed::accepted(Compat(remote))));
            async move { Ok(Connected::ordered(Framed::new(Compat(local)))) }
        };
        connect_with(client_config(), connector).unwrap()
    };
    let mut kept = Vec::new();
    clients.block_on(async {
        let (mut begun, mut there) = (0, 0);
        while there < count {
            while begun < count && begun - there < AT_ONCE {
                let session = dial();
                kept.push(session.clone());
                tokio::spawn(async move {
                    let mut stream = session.open(StreamOptions::default()).await.unwrap();
                    stream.sender().send(vec![7; 64].into()).await.unwrap();
                    std::future::pending::<()>().await;
                });
                begun += 1;
            }
            is_ready.next().await.unwrap();
            there += 1;
        }
    });
    // The server dies first, so that no session ends.
    server.shutdown_timeout(Duration::from_secs(60));
    clients.shutdown_timeout(Duration::from_secs(60));
}

/// Deals with the message, and says so once that is kept.
async fn take(session: Session, ready: mpsc::UnboundedSender<Session>) {
    let mut stream = session.accept().await.unwrap();
    let _message = stream.receiver().recv().await.unwrap().unwrap();
    let place = stream.receiver().place();
    stream.receiver().consumed(place).unwrap();
    session.persisted().await.unwrap();
    let _is_gone = ready.unbounded_send(session.clone());
    std::future::pending::<()>().await;
}
