//! A server that echoes, and a client that talks to it over a WebSocket, in one process.
//!
//! `cargo run -p unbroken-tokio --example echo`

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Accepted, Server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let secret = SharedSecret::from_key(b"example", [42; 32])?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut server = Server::new(ServerConfig::new(ServerAuth::secrets(vec![secret.clone()])))?;
    server.listen_ws(listener);
    tokio::spawn(async move {
        loop {
            tokio::spawn(serve(server.accept().await));
        }
    });

    let session = unbroken_tokio::connect_ws(format!("ws://{address}/"), ClientConfig::new(Auth::secret(secret)))?;
    println!(
        "session {}",
        session
            .established()
            .await
            .map_err(|ended| format!("{:?}", ended.reason))?
    );
    let (mut send, mut recv) = session.open(StreamOptions::default()).await?.split();
    for word in ["outlives", "its", "connections"] {
        send.send(Bytes::from(word)).await?;
    }
    send.finish();
    while let Some(message) = recv.recv().await? {
        println!("echoed: {}", String::from_utf8_lossy(&message));
    }
    let ended = session.close(0, Bytes::from("done")).await?;
    println!(
        "ended: {:?}, all delivered: {}",
        ended.reason,
        ended.fates.all_delivered()
    );
    Ok(())
}

/// Echoes every message on every stream, until the client closes the session.
async fn serve(accepted: Accepted) {
    while let Some(stream) = accepted.session.accept().await {
        tokio::spawn(async move {
            let (mut send, mut recv) = stream.split();
            while let Ok(Some(message)) = recv.recv().await {
                if send.send(message).await.is_err() {
                    return;
                }
            }
            send.finish();
        });
    }
}
