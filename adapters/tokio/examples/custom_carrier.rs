//! A carrier of your own is a closure: here, pipes inside one process, each of which breaks after a
//! few kilobytes.
//!
//! `cargo run -p unbroken-tokio --example custom_carrier`

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use unbroken_tokio::proto::security::{Auth, ServerAuth};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ReconnectIntent, ServerConfig};
use unbroken_tokio::{Compat, Connected, Framed, Server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut server = Server::new(ServerConfig::new(ServerAuth::anonymous()))?;
    let (arrivals, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(pipe) = arrived.recv() => server.serve(pipe),
                accepted = server.accept() => {
                    let session = accepted.session;
                    tokio::spawn(async move {
                        while let Some(stream) = session.accept().await {
                            let (mut send, mut recv) = stream.split();
                            let _copied = tokio::io::copy(&mut recv, &mut send).await;
                            send.finish();
                        }
                    });
                }
            }
        }
    });

    let arrivals = Arc::new(arrivals);
    let connector = move |intent: ReconnectIntent| {
        let arrivals = Arc::clone(&arrivals);
        async move {
            println!("dial {} ({:?})", intent.attempt, intent.kind);
            let (local, remote) = breaking_pipe(20_000);
            let _server_gone = arrivals.send(Connected::ordered(Framed::accepted(Compat(remote))));
            Ok(Connected::ordered(Framed::new(Compat(local))))
        }
    };
    let session = unbroken_tokio::connect_with(ClientConfig::new(Auth::anonymous()), connector)?;

    let (mut send, mut recv) = session.open(StreamOptions::default()).await?.split();
    let sent: Vec<u8> = (0..50_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let payload = sent.clone();
    tokio::spawn(async move {
        let _written = send.write_all(&payload).await;
        send.finish();
    });
    let mut received = Vec::new();
    recv.read_to_end(&mut received).await?;
    println!(
        "{} bytes came back, intact: {}, over {} connections",
        received.len(),
        received == sent,
        session.stats().attaches
    );
    Ok(())
}

/// Two ends of a pipe that is cut after `bytes` in either direction.
fn breaking_pipe(bytes: u64) -> (DuplexStream, DuplexStream) {
    let (local, relay_local) = tokio::io::duplex(8_192);
    let (remote, relay_remote) = tokio::io::duplex(8_192);
    tokio::spawn(async move {
        let (mut local_out, mut local_in) = tokio::io::split(relay_local);
        let (mut remote_out, mut remote_in) = tokio::io::split(relay_remote);
        let (mut forth, mut back) = ((&mut local_out).take(bytes), (&mut remote_out).take(bytes));
        tokio::select! {
            _ = tokio::io::copy(&mut forth, &mut remote_in) => {}
            _ = tokio::io::copy(&mut back, &mut local_in) => {}
        }
    });
    (local, remote)
}
